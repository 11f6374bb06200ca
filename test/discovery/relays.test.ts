import { describe, expect, test } from '@jest/globals'
import { seededRandom, type PeerId } from '#framework/primitives'
import { Identity } from '#framework/network'
import { relaysIn } from '../../framework/discovery/relays.js'
import type { PeerEntry } from '#framework/discovery'

const peers = Array.from({ length: 5 }, (_, i) => Identity.random(seededRandom(i + 1)).peerId)
const [self, near, far, unknown, plain] = peers as [PeerId, PeerId, PeerId, PeerId, PeerId]
const DIRECT = '/ip4/192.0.2.1/tcp/4001'

function catalogOf(entries: readonly (Pick<PeerEntry, 'peer'> & Partial<PeerEntry>)[]) {
  const whole = entries.map((entry) => [
    entry.peer,
    { addresses: [DIRECT], serves: ['relay'], ...entry } as PeerEntry,
  ])
  return { peers: new Map(whole as [PeerId, PeerEntry][]) }
}

describe('the relays of a catalog', () => {
  test('given relays near and far, one that nobody has measured, and a peer that is none, then the near one comes first and the peer not at all', () => {
    const rtt = new Map([
      [near, 5],
      [far, 180],
    ])
    const catalog = catalogOf([{ peer: unknown }, { peer: far }, { peer: plain, serves: [] }, { peer: near }])
    const relays = relaysIn(catalog, self, (peer) => rtt.get(peer))
    expect(relays.map(({ peer }) => peer)).toEqual([near, far, unknown])
    expect(relays[0]?.addresses).toEqual([DIRECT])
  })

  test('given a relay that is itself behind one, then it is of no use', () => {
    const behind = `${DIRECT}/p2p/12D3KooWK4JxSQWAY4w8MeKGkcophUkkTxQzutYaTMEmwcAUc3YT/p2p-circuit`
    expect(relaysIn(catalogOf([{ peer: far, addresses: [behind] }]), self, () => 1)).toEqual([])
  })

  test('given many nodes and two relays that are equally near, then not all of them begin with the same one', () => {
    const catalog = catalogOf([{ peer: near }, { peer: far }])
    const first = Array.from({ length: 64 }, (_, i) => {
      const node = Identity.random(seededRandom(100 + i)).peerId
      return relaysIn(catalog, node, () => 10)[0]!.peer
    })
    const onNear = first.filter((peer) => peer === near).length
    expect(onNear).toBeGreaterThan(16)
    expect(onNear).toBeLessThan(48)
  })
})

import { describe, expect, test } from '@jest/globals'
import { Identity } from '#framework/network'
import { seededRandom } from '#framework/primitives'
import { compareConnections, type Candidate } from '../../framework/network/connection-choice.js'

const ids = ['one', 'two'].map((name) => Identity.random(seededRandom(name)).peerId)
const [smaller, greater] = ids.toSorted() as [(typeof ids)[0], (typeof ids)[0]]

function connection(peer: (typeof ids)[0], changes: Partial<Candidate>): Candidate {
  return { peer, direction: 'outbound', transport: 'quic', openedAt: 0, ...changes }
}

describe('of two connections to the same peer', () => {
  test('given QUIC and TCP, QUIC is used', () => {
    const quic = connection(greater, {})
    const tcp = connection(greater, { transport: 'tcp', openedAt: 60_000 })
    expect(compareConnections(smaller, quic, tcp)).toBeLessThan(0)
    expect(compareConnections(smaller, tcp, quic)).toBeGreaterThan(0)
  })

  test('given another start of the peer, its connection is used, whatever the transport: the one before is dead', () => {
    const before = connection(greater, { instance: 'first' })
    const after = connection(greater, { instance: 'second', transport: 'tcp', openedAt: 300 })
    expect(compareConnections(smaller, after, before)).toBeLessThan(0)
    expect(compareConnections(smaller, before, after)).toBeGreaterThan(0)
  })

  test('given a much newer one, that is used: the old one may be dead', () => {
    const old = connection(greater, {})
    const young = connection(greater, { direction: 'inbound', openedAt: 5_001 })
    expect(compareConnections(smaller, young, old)).toBeLessThan(0)
    expect(compareConnections(greater, old, young)).toBeGreaterThan(0)
  })

  test('given two that were made at the same time, both peers use the one that the smaller peer dialled', () => {
    for (const [openedFirst, openedSecond] of [
      [0, 100],
      [100, 0],
    ] as const) {
      // The same two connections, as each of the two peers sees them.
      const atSmaller = {
        dialled: connection(greater, { direction: 'outbound', openedAt: openedFirst }),
        accepted: connection(greater, { direction: 'inbound', openedAt: openedSecond }),
      }
      const atGreater = {
        accepted: connection(smaller, { direction: 'inbound', openedAt: openedFirst }),
        dialled: connection(smaller, { direction: 'outbound', openedAt: openedSecond }),
      }
      expect(compareConnections(smaller, atSmaller.dialled, atSmaller.accepted)).toBeLessThan(0)
      expect(compareConnections(greater, atGreater.accepted, atGreater.dialled)).toBeLessThan(0)
    }
  })

  test('given two that one peer dialled in short order, the first is used', () => {
    const first = connection(greater, { openedAt: 1 })
    const second = connection(greater, { openedAt: 2 })
    expect(compareConnections(smaller, first, second)).toBeLessThan(0)
  })
})

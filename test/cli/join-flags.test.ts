import { describe, expect, test } from '@jest/globals'
import { peerIdFromLibp2p } from '#framework/network'
import { joinOptionsOf, targetOf } from '../../cli/join-flags.js'
import type { JoinFlags } from '../../cli/join-options.js'
import { UsageError } from '../../cli/usage-error.js'

const libp2p = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const peer = peerIdFromLibp2p(libp2p)

describe('an address, or the id of a peer in either form, is a target', () => {
  test.each([
    [peer, { peer }],
    [peer.toUpperCase(), { peer }],
    [libp2p, { peer }],
    ['/dns4/seed.example/udp/4001/quic-v1', { addresses: ['/dns4/seed.example/udp/4001/quic-v1'] }],
  ])('%s', (text, target) => {
    expect(targetOf(text)).toEqual(target)
  })

  test.each([
    ['ab'.repeat(30), 'has 60 hexadecimal characters, and a peer id has 64'],
    [libp2p.slice(0, -1), 'is no peer id'],
    ['192.0.2.7:4001', 'did you mean "/ip4/192.0.2.7/udp/4001/quic-v1"?'],
    ['here', 'is no multiaddr'],
    ['', 'is no multiaddr'],
  ])('%j is none', (text, said) => {
    expect(() => targetOf(text)).toThrow(UsageError)
    expect(() => targetOf(text)).toThrow(said)
  })
})

describe('joining', () => {
  const flags: JoinFlags = { network: 'orders', logLevel: 'error' }

  test('given nothing but a network, uses neither multicast nor the DHT', async () => {
    expect(await joinOptionsOf(flags, true)).toEqual({
      network: 'orders',
      seeds: [],
      discovery: { mdns: false, dht: false },
      logger: expect.anything(),
    })
  })

  test('given a DHT of its own, uses that one', async () => {
    const { discovery } = await joinOptionsOf(
      { ...flags, dht: true, dhtBootstrap: ['127.0.0.1:6881'], dhtScope: 'all' },
      true,
    )
    expect(discovery?.dht).toEqual({ bootstrap: ['127.0.0.1:6881'], addressScope: 'all' })
  })

  test.each([
    [{ network: undefined }, 'which network?'],
    [{ network: ' x' }, 'cannot name a network'],
    [{ peer: ['nobody'] }, 'is no multiaddr'],
    [{ secretEnv: 'A', secretFile: 'b' }, 'two places for one secret'],
  ])('given %j, is refused', async (wrong, said) => {
    const joining = joinOptionsOf({ ...flags, ...wrong } as JoinFlags, false)
    await expect(joining).rejects.toThrow(UsageError)
    await expect(joining).rejects.toThrow(said)
  })
})

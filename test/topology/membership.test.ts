import { readdir } from 'node:fs/promises'
import { describe, expect, test } from '@jest/globals'
import { Identity, libp2pPeerId } from '#framework/network'
import { joinNetwork, type JoinOptions, type Membership } from '#framework/topology'
import { eventually, within } from '../support/eventually.js'
import { folderWith } from '../support/mosaik-process.js'

const secret = 'e0f7c1a09b3d4c5e8f6a7b8c9d0e1f2a'

function join(options: Partial<JoinOptions> = {}): Promise<Membership> {
  return joinNetwork({ network: 'membership-test', ...options })
}

describe('joining a network', () => {
  test('given a name only, one is there, alone and under a new identity', async () => {
    await using first = await join()
    await using second = await join()
    expect(first.host.peerId).not.toBe(second.host.peerId)
    expect(first.discovery.me).toMatchObject({ tags: [], labels: {} })
    expect(first.discovery.me).not.toHaveProperty('node')
  })

  test('given tags, labels and a seed, the seed knows them', async () => {
    await using seed = await join({ relay: { serve: true } })
    await using other = await join({
      seeds: seed.host.addresses.value,
      tags: ['edge'],
      labels: { region: 'eu' },
    })
    await within(5_000, seed.discovery.when().peer(other.host.peerId))
    expect(seed.discovery.catalog.value.get(other.host.peerId)).toMatchObject({
      tags: ['edge'],
      labels: { region: 'eu' },
    })
    await within(5_000, other.discovery.when().peer(seed.host.peerId))
    expect(other.discovery.catalog.value.get(seed.host.peerId)?.serves).toEqual(['relay'])
  })

  test('given addresses to announce, others are told those, with the peer at their end', async () => {
    const forwarded = '/ip4/203.0.113.7/udp/4001/quic-v1'
    await using seed = await join()
    await using other = await join({ seeds: seed.host.addresses.value, announce: [forwarded] })
    const { peerId } = other.host
    await within(5_000, seed.discovery.when().peer(peerId))
    await eventually(() =>
      expect(seed.discovery.catalog.value.get(peerId)?.addresses).toEqual([
        `${forwarded}/p2p/${libp2pPeerId(peerId)}`,
      ]),
    )
  })

  test('given a secret, only who has it gets in', async () => {
    await using member = await join({ secret })
    const seeds = member.host.addresses.value
    await using other = await join({ secret, seeds })
    await within(5_000, other.discovery.when().connected())
    await using stranger = await join()
    await expect(stranger.host.connect({ addresses: seeds })).rejects.toThrow()
    expect(member.discovery.catalog.value.peers.has(stranger.host.peerId)).toBe(false)
  })

  test('given a folder, the identity and the peers of the last run are in it', async () => {
    await using folder = await folderWith({})
    await using seed = await join()
    const data = folder.file('data')
    const first = await join({ data, seeds: seed.host.addresses.value })
    await within(5_000, first.discovery.when().connected())
    await first.close()
    expect((await readdir(data)).toSorted()).toEqual(['identity.key', expect.stringMatching(/^peers-/)])
    await using second = await join({ data })
    expect(second.host.peerId).toBe(first.host.peerId)
    await within(5_000, second.discovery.when().peer(seed.host.peerId))
  })

  test('given a folder, and that peers are not to be remembered, only the identity is in it', async () => {
    await using folder = await folderWith({})
    await using seed = await join()
    const data = folder.file('data')
    const seeds = seed.host.addresses.value
    const first = await join({ data, seeds, discovery: { remember: false } })
    await within(5_000, first.discovery.when().connected())
    await first.close()
    expect(await readdir(data)).toEqual(['identity.key'])
  })

  test('given an identity and a folder, the identity goes first', async () => {
    await using folder = await folderWith({})
    const identity = Identity.random()
    await using joined = await join({ identity, data: folder.path })
    expect(joined.host.peerId).toBe(identity.peerId)
  })

  test.each([
    [{ discovery: { remember: true } }, 'REMEMBER_WITHOUT_DATA'],
    [{ secret: 'short' }, 'SECRET_WEAK'],
    [{ discovery: { maxRttMs: 0 } }, 'DISCOVERY_OPTION_INVALID'],
    [{ discovery: { dht: { bootstrap: ['nowhere'] } } }, 'DISCOVERY_OPTION_INVALID'],
    [{ relay: { via: ['/ip4/192.0.2.7/tcp/1'] } }, 'RELAY_INVALID'],
  ])('given %j, is refused with %s, and the port is free again', async (wrong, code) => {
    await using other = await join()
    const listen = other.host.addresses.value.map((address) => address.replace(/\/p2p\/.*/, ''))
    await other.close()
    await expect(join({ ...wrong, listen })).rejects.toMatchObject({ code })
    await using again = await join({ listen })
    expect(again.host.addresses.value).toHaveLength(listen.length)
  })
})

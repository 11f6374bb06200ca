import { describe, expect, test } from '@jest/globals'
import { CloseReasons, LinkClosedError, type Link } from '#framework/network'
import { bytesOf, randomDigest, systemRandom, type Digest } from '#framework/primitives'
import { GroupKey } from '../../../framework/groups/bond/group-key.js'
import { groupIdOf } from '../../../framework/groups/bond/group-id.js'
import { laneProtocol } from '../../../framework/groups/bond/lanes.js'
import { eventually, within } from '../../support/eventually.js'
import { TestIssuer } from '../../streams/tickets.js'
import { ScriptedPeer } from './scripted-peer.js'
import {
  TestNode,
  parametersOf,
  sharedKey,
  type JoinOptions,
  type NodeOptions,
  type TestGroup,
} from './support.js'

interface Scene extends AsyncDisposable {
  readonly node: TestNode
  readonly group: TestGroup
  readonly peer: ScriptedPeer
  handshakes(side: string, result: string): number
}

/** A real node in a group, and a scripted peer whose id is smaller or larger. */
async function scene(
  than: 'smaller' | 'larger',
  options: JoinOptions = {},
  nodeOptions: NodeOptions = {},
): Promise<Scene> {
  const network = randomDigest(systemRandom)
  const node = await TestNode.start(network, nodeOptions)
  const group = node.join(options)
  const id = groupIdOf(options.key ?? sharedKey, parametersOf(options))
  const peer = await ScriptedPeer.start(
    network,
    id,
    than === 'smaller' ? { smaller: node.peerId } : { larger: node.peerId },
  )
  return {
    node,
    group,
    peer,
    handshakes: (side, result) =>
      node.metric('mosaik_group_handshakes_total', { group: id.slice(0, 10), side, result }),
    [Symbol.asyncDispose]: async () => {
      await node[Symbol.asyncDispose]()
      await peer[Symbol.asyncDispose]()
    },
  }
}

/** The reason that an opening was refused with. */
async function refusal(opening: Promise<unknown>): Promise<number> {
  const error = await opening.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  expect(error).toBeInstanceOf(LinkClosedError)
  return (error as LinkClosedError).reason.code
}

async function closedWith(link: Link): Promise<number> {
  return (await within(5_000, link.closed)).code
}

describe('W-B1: simultaneous dials', () => {
  test('given a node whose dial is under way, when a peer with a larger id says hello, then it is refused with 30429, and the dial becomes the bond', async () => {
    await using s = await scene('larger')
    await s.peer.meet(s.node)
    await eventually(() => s.peer.hellos.length === 1)
    expect(await refusal(s.peer.hello(s.node))).toBe(30429)
    const { id } = await s.peer.accept(s.peer.hellos[0]!)
    await eventually(() => expect(s.group.peers).toEqual([s.peer.peerId]))
    expect(s.group.made.map((bond) => bond.id)).toEqual([id])
    expect(s.handshakes('acceptor', 'already_bonded')).toBe(1)
  })

  test('given a node whose dial is under way, when a peer with a smaller id says hello, then that becomes the bond, and the dial is given up at once', async () => {
    await using s = await scene('smaller', {}, { limits: { handshakeTimeoutMs: 600_000 } })
    await s.peer.meet(s.node)
    await eventually(() => s.peer.hellos.length === 1)
    const { id } = await s.peer.bond(s.node)
    await eventually(() => expect(s.group.peers).toEqual([s.peer.peerId]))
    await closedWith(s.peer.hellos[0]!.link)
    expect(s.group.made.map((bond) => bond.id)).toEqual([id])
    expect(s.group.lost).toEqual([])
    expect(s.peer.hellos).toHaveLength(1)
  })

  test('given a bond, when the peer begins anew, then the new one takes its place, and the old one is closed with 30429', async () => {
    await using s = await scene('smaller')
    await s.peer.meet(s.node)
    await eventually(() => s.peer.hellos.length === 1)
    const first = await s.peer.bond(s.node)
    await eventually(() => s.group.made.length === 1)
    const second = await s.peer.bond(s.node)
    expect(await closedWith(first.link)).toBe(30429)
    await eventually(() => expect(s.group.made.map(({ id }) => id)).toEqual([first.id, second.id]))
    expect(s.group.lost).toMatchObject([{ reason: { code: 30429 }, by: 'local' }])
    expect(s.group.bonds.mesh.get(s.peer.peerId)?.id).toBe(second.id)
  })

  test('given a bond, when somebody says hello in the name of the peer and proves nothing, then the bond stays', async () => {
    await using s = await scene('smaller')
    await s.peer.meet(s.node)
    await eventually(() => s.peer.hellos.length === 1)
    const first = await s.peer.bond(s.node)
    const { link } = await s.peer.hello(s.node)
    await link.send({ type: 'finish', proof: new Uint8Array(32) })
    expect(await closedWith(link)).toBe(30405)
    expect(s.group.bonds.mesh.get(s.peer.peerId)?.id).toBe(first.id)
    expect(s.group.lost).toEqual([])
  })
})

describe('W-B2: dials', () => {
  test('given a peer that does not answer, when it changes what it says of itself again and again, then it is dialled once', async () => {
    await using s = await scene('larger')
    await s.peer.meet(s.node)
    await eventually(() => s.peer.hellos.length === 1)
    for (let i = 0; i < 20; i++) {
      s.peer.discovery.addTags(`tag-${i}`)
      s.peer.tell(s.node)
    }
    const key = GroupKey.random()
    const other = groupIdOf(key, parametersOf())
    s.peer.discovery.addGroups(other)
    s.node.join({ key })
    s.peer.tell(s.node)
    // The dial for the other group comes after all that there would have been for the first.
    await eventually(() => s.peer.hellos.length === 2)
    const groups = s.peer.hellos.map(({ link }) => (link.openPayload as { group: Uint8Array }).group)
    expect(groups).toEqual([bytesOf(s.group.bonds.id), bytesOf(other)])
  })

  test('given a peer that knows nobody, then it is asked again later and later, and never at once', async () => {
    await using s = await scene('larger')
    const timesMs: number[] = []
    s.peer.onHello = async ({ link }) => {
      timesMs.push(performance.now())
      await link.close(CloseReasons.UnknownPeer)
    }
    await s.peer.meet(s.node)
    await eventually(() => timesMs.length === 4)
    const pausesMs = timesMs.slice(1).map((ms, index) => ms - timesMs[index]!)
    // 250, 500 and 1000 ms, less than a third off.
    expect(pausesMs[0]).toBeGreaterThan(165)
    expect(pausesMs[1]).toBeGreaterThan(330)
    expect(pausesMs[2]).toBeGreaterThan(660)
    expect(s.handshakes('dialler', 'unknown_peer')).toBeGreaterThanOrEqual(3)
  })
})

describe('a handshake that fails', () => {
  test('given a hello that is none, or of a version that is not spoken, then 30400 (W-B7)', async () => {
    await using s = await scene('smaller')
    await s.peer.meet(s.node)
    expect(await refusal(s.peer.hello(s.node, { version: 2 }))).toBe(30400)
    expect(await refusal(s.peer.hello(s.node, { nonce: new Uint8Array(31) }))).toBe(30400)
    expect(await refusal(s.peer.hello(s.node, { entry: 'none' }))).toBe(30400)
  })

  test('given a group that the node is not in, then 30404', async () => {
    await using s = await scene('smaller')
    await s.peer.meet(s.node)
    expect(await refusal(s.peer.hello(s.node, { group: systemRandom.bytes(32) }))).toBe(30404)
  })

  test('W-B5: given a peer that shows the entry of another, who has a ticket, then it is not let in for that', async () => {
    const issuer = new TestIssuer('one')
    await using s = await scene('smaller', { validators: [issuer.validator] })
    const { id } = s.group.bonds
    await using holder = await ScriptedPeer.start(s.node.host.network, id, { smaller: s.node.peerId })
    holder.discovery.addTicket(issuer.issue(holder.peerId, 'never'))
    const entry = holder.discovery.signedEntry()
    // Unknown, or known by then and without a ticket: that is for the exchange of catalogs to say.
    expect([401, 30403]).toContain(await refusal(s.peer.hello(s.node, { entry })))
    await s.peer.meet(s.node)
    expect(await refusal(s.peer.hello(s.node, { entry }))).toBe(30403)
    expect(await refusal(s.peer.hello(s.node, { entry: new Uint8Array(3) }))).toBe(30403)
    expect(s.group.made).toEqual([])
  })

  test('given a peer that nobody has heard of and that shows its own entry, then it is bonded with', async () => {
    await using s = await scene('smaller')
    await s.peer.bond(s.node)
    await eventually(() => expect(s.group.peers).toEqual([s.peer.peerId]))
  })

  test('given a group that demands tickets and a peer that has none, then 30403', async () => {
    await using s = await scene('smaller', { validators: [new TestIssuer('one').validator] })
    await s.peer.meet(s.node)
    expect(await refusal(s.peer.hello(s.node))).toBe(30403)
  })

  test('given a peer that proves nothing in time, then 30408', async () => {
    await using s = await scene('smaller', {}, { limits: { handshakeTimeoutMs: 200 } })
    const { link } = await s.peer.hello(s.node)
    expect(await closedWith(link)).toBe(30408)
    await eventually(() => s.handshakes('acceptor', 'timeout') === 1)
  })

  test('given a peer that says something else than was due, then 30400', async () => {
    await using s = await scene('smaller')
    const { link } = await s.peer.hello(s.node)
    await link.send({ type: 'ping' })
    expect(await closedWith(link)).toBe(30400)
  })

  test('given an acceptor that does not have the key, then the dialler closes with 30405 and proves nothing', async () => {
    await using s = await scene('larger')
    const words: unknown[] = []
    s.peer.onHello = async ({ link, accept }) => {
      await accept({
        version: 1,
        capabilities: [],
        incarnation: '00'.repeat(8),
        role: 'member',
        nonce: systemRandom.bytes(32),
        proof: systemRandom.bytes(32),
        entry: s.peer.discovery.signedEntry(),
      })
      words.push(await link.recv().catch((error: unknown) => error))
    }
    await s.peer.meet(s.node)
    await eventually(() => words.length > 0)
    expect(words[0]).toBeInstanceOf(LinkClosedError)
    expect((words[0] as LinkClosedError).reason.code).toBe(30405)
    expect(s.group.peers).toEqual([])
  })

  test('W-B5: given an acceptor that shows in its answer that it has no ticket any more, then it is told so, and given no proof', async () => {
    const issuer = new TestIssuer('one')
    await using s = await scene('larger', { validators: [issuer.validator] })
    s.peer.discovery.addTicket(issuer.issue(s.peer.peerId, 'never'))
    const words: unknown[] = []
    s.peer.onHello = async (held) => {
      s.peer.discovery.removeTicketsOf(issuer.validator.class)
      words.push(await s.peer.believe(held).catch((error: unknown) => error))
    }
    await s.peer.meet(s.node)
    await eventually(() => words.length > 0)
    expect(words[0]).toMatchObject({ code: 'LINK_CLOSED', reason: { code: 30403 } })
  })

  test('given a peer that cannot be reached, then the dial ends in time, and is tried again', async () => {
    await using s = await scene('larger', {}, { limits: { connectTimeoutMs: 100 } })
    const entry = s.peer.discovery.signedEntry()
    await s.peer[Symbol.asyncDispose]()
    s.node.discovery.feed(entry)
    await eventually(() => s.handshakes('dialler', 'timeout') + s.handshakes('dialler', 'unreachable') >= 2)
  })

  test('given as many bonds as there may be, then another peer is refused with 30509', async () => {
    await using s = await scene('smaller', {}, { limits: { bondsMax: 1 } })
    const { id } = s.group.bonds
    await using other = await ScriptedPeer.start(s.node.host.network, id, { smaller: s.node.peerId })
    await s.peer.bond(s.node)
    expect(await refusal(other.hello(s.node))).toBe(30509)
  })
})

describe('lanes that the other side opens', () => {
  test('given a bond, then each lane is taken once, and not for a bond that is not its own', async () => {
    await using s = await scene('smaller')
    const { id } = await s.peer.bond(s.node)
    const open = (bond: Uint8Array, lane: string) =>
      s.peer.host.open({ peer: s.node.peerId }, laneProtocol, { payload: { bond, lane } })
    const bulk = await open(bytesOf(id as Digest), 'bulk')
    await bulk.sendFrame(new Uint8Array([0, 0, 0, 4, 4, 97, 98, 99]))
    await eventually(() => expect(s.group.received).toMatchObject([{ lane: 'bulk', text: 'abc' }]))
    expect(await refusal(open(systemRandom.bytes(32), 'bulk'))).toBe(404)
    expect(await refusal(open(bytesOf(id as Digest), 'control'))).toBe(400)
    await using other = await ScriptedPeer.start(s.node.host.network, s.group.bonds.id, {
      smaller: s.node.peerId,
    })
    const stolen = { payload: { bond: bytesOf(id as Digest), lane: 'sync' } }
    const target = { peer: s.node.peerId, addresses: s.node.host.addresses.value }
    expect(await refusal(other.host.open(target, laneProtocol, stolen))).toBe(404)
    expect(await refusal(open(bytesOf(id as Digest), 'bulk'))).toBe(400)
    expect(s.group.lost).toEqual([])
  })

  test('given an acceptor that uses the bond before the dialler knows that it is there, then the lane waits for it', async () => {
    await using s = await scene('larger')
    const early = Promise.withResolvers<void>()
    s.peer.onHello = async (held) => {
      const { id } = await s.peer.believe(held)
      const target = { peer: s.node.peerId, addresses: s.node.host.addresses.value }
      const opening = s.peer.host.open(target, laneProtocol, {
        payload: { bond: bytesOf(id as Digest), lane: 'forward' },
      })
      await held.link.send({ type: 'welcome' })
      const lane = await opening
      await lane.sendFrame(new Uint8Array([0, 0, 0, 2, 4, 97]))
      early.resolve()
    }
    await s.peer.meet(s.node)
    await within(5_000, early.promise)
    await eventually(() => expect(s.group.received).toMatchObject([{ lane: 'forward', text: 'a' }]))
  })

  test('given a message where bytes are due, or one that the owner cannot read, then the bond ends with 400', async () => {
    await using s = await scene('smaller', {
      events: {
        onMessage: () => {
          throw new Error('that is no message')
        },
      },
    })
    const first = await s.peer.bond(s.node)
    await first.link.send({ kind: 'message' })
    expect(await closedWith(first.link)).toBe(400)
    const second = await s.peer.bond(s.node)
    await second.link.sendFrame(new Uint8Array([0, 0, 0, 2, 4, 97]))
    expect(await closedWith(second.link)).toBe(400)
    const labels = { group: s.group.bonds.id.slice(0, 10), cause: 'violation' }
    expect(s.node.metric('mosaik_group_bonds_ended_total', labels)).toBe(2)
  })
})

describe('silence', () => {
  test('given a peer that says nothing any more, then the bond ends with 30408 after the heartbeats that it may miss', async () => {
    const timing = { heartbeatIntervalMs: 40, heartbeatJitterMs: 10, missedHeartbeatsMax: 5 }
    await using s = await scene('smaller', { timing })
    const { link } = await s.peer.bond(s.node)
    let pings = 0
    const reading = (async () => {
      for (;;) {
        const frame = await link.recv()
        if (frame.kind === 'bytes' && frame.bytes.byteLength === 0) pings++
      }
    })().catch(() => {})
    expect(await closedWith(link)).toBe(30408)
    await reading
    expect(pings).toBeGreaterThanOrEqual(4)
    expect(s.group.lost).toMatchObject([{ reason: { code: 30408 }, by: 'local' }])
  })

  test('given a peer that says anything in time, then the bond stays', async () => {
    const timing = { heartbeatIntervalMs: 40, heartbeatJitterMs: 10, missedHeartbeatsMax: 5 }
    await using s = await scene('smaller', { timing })
    const { link } = await s.peer.bond(s.node)
    for (let pings = 0; pings < 20;) {
      const frame = await link.recv()
      if (frame.kind !== 'bytes' || frame.bytes.byteLength > 0) continue
      pings++
      if (pings % 2 === 0) await link.sendFrame(new Uint8Array([0, 0, 0, 1, 4]))
    }
    expect(s.group.lost).toEqual([])
    expect(s.group.received).toEqual([])
  })
})

import { describe, expect, test } from '@jest/globals'
import { ManualClock, nextTurn } from '#framework/primitives'
import { GroupKey } from '../../../framework/groups/bond/group-key.js'
import { eventually, within } from '../../support/eventually.js'
import { TestIssuer } from '../../streams/tickets.js'
import { bondedPair, bondedWith, discoverAll, startNodes, type TestNode } from './support.js'

const timeFactor = Number(process.env.TIME_FACTOR ?? 1)

const text = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(97)

describe('messages on a bond', () => {
  test('given messages on every lane, then they arrive in the order of their lane, also the first ones, for which the lane is opened', async () => {
    await using pair = await bondedPair()
    const { groups, large } = pair
    const bond = groups[0].bondWith(large)
    const lanes = ['control', 'bulk', 'sync', 'forward'] as const
    for (let n = 0; n < 50; n++) {
      for (const lane of lanes) expect(bond.send(lane, new TextEncoder().encode(`${n}`))).toBe('sent')
    }
    await eventually(() => expect(groups[1].received).toHaveLength(200))
    for (const lane of lanes) {
      const texts = groups[1].received.filter((each) => each.lane === lane).map((each) => each.text)
      expect(texts).toEqual(Array.from({ length: 50 }, (_, n) => `${n}`))
    }
  })

  test('given a broadcast, then every member gets it, and it is counted for each', async () => {
    await using nodes = await startNodes({}, {}, {})
    const groups = nodes.map((node) => node.join())
    await discoverAll(nodes)
    await bondedWith(groups[0]!, nodes[1]!, nodes[2]!)
    expect(groups[0]!.bonds.broadcast('bulk', text(1_000))).toEqual([])
    for (const group of groups.slice(1)) await eventually(() => expect(group.received).toHaveLength(1))
    const labels = { group: groups[0]!.bonds.id.slice(0, 10), lane: 'bulk' }
    expect(nodes[0]!.metric('mosaik_group_bond_sent_messages_total', labels)).toBe(2)
    expect(nodes[1]!.metric('mosaik_group_bond_received_bytes_total', labels)).toBe(1_000)
  })

  test('W-B8: given a message that is longer than its lane takes, then it is refused, and the bond stays', async () => {
    await using pair = await bondedPair()
    const bond = pair.groups[0].bondWith(pair.large)
    const mebibyte = 1024 * 1024
    const refused = (lane: 'bulk' | 'control', bytes: number) => () => bond.send(lane, text(bytes))
    expect(refused('bulk', 4 * mebibyte)).toThrow(expect.objectContaining({ code: 'FRAME_TOO_LARGE' }))
    expect(refused('control', 64 * 1024)).toThrow(expect.objectContaining({ code: 'FRAME_TOO_LARGE' }))
    expect(refused('control', 0)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
    bond.send('bulk', text(4 * mebibyte - 1))
    await eventually(() =>
      expect(pair.groups[1].received.map((each) => each.text.length)).toEqual([4 * mebibyte - 1]),
    )
    expect(bond.end).toBeUndefined()
  })

  test('W-B8: given a member that does not take what it is sent, then its sender is told to wait, keeps no more than 4 MiB for it, and control messages still get through', async () => {
    const patience = Promise.withResolvers<void>()
    await using pair = await bondedPair({
      events: { onMessage: (_, lane) => (lane === 'bulk' ? patience.promise : undefined) },
    })
    const bond = pair.groups[0].bondWith(pair.large)
    let sent = 0
    // What the transports on the way hold comes on top of what the bond does.
    await eventually(() => {
      while (bond.send('bulk', text(256 * 1024)) === 'sent') sent++
      const labels = { group: pair.groups[0].bonds.id.slice(0, 10), lane: 'bulk' }
      return pair.small.metric('mosaik_group_bond_refused_messages_total', labels) > 20
    })
    expect(sent * 256).toBeLessThan(4 * 1024 + 3 * 4 * 1024)
    for (let n = 0; n < 20; n++) bond.send('control', new TextEncoder().encode(`${n}`))
    await eventually(() => pair.groups[1].received.filter(({ lane }) => lane === 'control').length === 20)
    expect(pair.groups[1].received.filter(({ lane }) => lane === 'bulk')).toHaveLength(1)
    const room = bond.room('bulk', 256 * 1024)
    patience.resolve()
    await within(5_000, room)
    await eventually(() => pair.groups[1].received.filter(({ lane }) => lane === 'bulk').length === sent)
  })
})

describe('bonds that end', () => {
  test.concurrent(
    'W-L8: given connections that break, then the bonds are back within a second, without any news of the peer',
    async () => {
      await using pair = await bondedPair()
      const { groups, small, large } = pair
      const before = groups[0].bondWith(large)
      await small.host.disconnect(large.peerId, { code: 103, name: 'UnexpectedClose' })
      await within(3_000, before.closed)
      await bondedWith(groups[0], large)
      await bondedWith(groups[1], small)
      expect(groups[0].bondWith(large).id).not.toBe(before.id)
    },
  )

  test.concurrent(
    'W-B1: given two members that both end their bond and dial again at the same time, over and over, then they always end up with the same one, and it works',
    async () => {
      await using pair = await bondedPair()
      const { groups, small, large } = pair
      for (let round = 0; round < 5; round++) {
        const [a, b] = [groups[0].bondWith(large), groups[1].bondWith(small)]
        await Promise.all([a, b].map((bond) => bond.close({ code: 103, name: 'UnexpectedClose' })))
        await eventually(() => {
          const [x, y] = [groups[0].bonds.mesh.get(large.peerId), groups[1].bonds.mesh.get(small.peerId)]
          expect(x?.id).toBeDefined()
          expect(x?.id).toBe(y?.id)
          expect(x).not.toBe(a)
        })
        groups[0].bondWith(large).send('control', new TextEncoder().encode(`round ${round}`))
        await eventually(() => expect(groups[1].received.at(-1)?.text).toBe(`round ${round}`))
      }
    },
  )

  test.concurrent(
    'W-B9: given five members and a reader, then the reader has bonds with three of them, nobody looks for it, and it finds another when one leaves',
    async () => {
      await using nodes = await startNodes({}, {}, {}, {}, {}, {})
      const [reader, ...members] = nodes as unknown as [TestNode, ...TestNode[]]
      const groups = members.map((node) => node.join())
      await discoverAll(nodes)
      const view = reader.join({ role: 'reader' })
      await eventually(() => expect(view.peers).toHaveLength(3))
      for (const group of groups) await eventually(() => group.peers.length >= 4)
      const attached = (): boolean[] => groups.map(({ peers }) => peers.includes(reader.peerId))
      await eventually(() => expect(attached().filter(Boolean)).toHaveLength(3))
      expect(reader.discovery.me.groups).toEqual([])
      expect(view.made.every(({ role }) => role === 'member')).toBe(true)

      const index = attached().indexOf(true)
      expect(groups[index]!.bondWith(reader).role).toBe('reader')
      await members[index]!.service.leave(groups[index]!.bonds)
      await eventually(() => expect(view.peers).toHaveLength(3))
      expect(view.peers).not.toContain(members[index]!.peerId)
    },
  )

  test('W-B3: given a member that leaves while much is under way, then the others are told within 500 ms, and do not hold it for lost', async () => {
    await using pair = await bondedPair()
    const { groups, small, large } = pair
    const bond = groups[0].bondWith(large)
    while (bond.send('bulk', text(1024 * 1024)) === 'sent');
    bond.send('control', new TextEncoder().encode('a last word'))
    const startMs = performance.now()
    await small.service.leave(groups[0].bonds)
    expect(performance.now() - startMs).toBeLessThan(800 * timeFactor)
    await eventually(() => expect(groups[1].lost).toMatchObject([{ reason: { code: 204 }, by: 'remote' }]))
    expect(groups[1].received.map((each) => each.text)).toContain('a last word')
    const labels = { group: groups[1].bonds.id.slice(0, 10), cause: 'departed' }
    expect(large.metric('mosaik_group_bonds_ended_total', labels)).toBe(1)
  })

  test('W-B3: given a member that does not read, then leaving takes no longer than it may', async () => {
    const never = new Promise<void>(() => {})
    await using pair = await bondedPair({ events: { onMessage: () => never } })
    const { groups, small, large } = pair
    const bond = groups[0].bondWith(large)
    while (bond.send('control', text(60_000)) === 'sent') await nextTurn()
    const startMs = performance.now()
    await small.service.leave(groups[0].bonds)
    expect(performance.now() - startMs).toBeLessThan(1_500 * timeFactor)
  })

  test.concurrent(
    'W-B4: given a member that has left, then it is not announced any more, and nobody dials it; when it is back, then it is bonded with',
    async () => {
      await using pair = await bondedPair()
      const { groups, small, large } = pair
      const { id } = groups[0].bonds
      await small.service.leave(groups[0].bonds)
      await eventually(() => !large.discovery.catalog.value.get(small.peerId)!.groups.includes(id))
      await bondedWith(groups[1])
      const again = small.join()
      await bondedWith(again, large)
      await bondedWith(groups[1], small)
      const refused = { group: 'none', side: 'acceptor', result: 'no_group' }
      expect(small.metric('mosaik_group_handshakes_total', refused)).toBe(0)
      expect(again.bonds.id).toBe(id)
    },
  )

  test('given a node that joins a group twice, or more groups than it may, then it is told so', async () => {
    await using nodes = await startNodes({ limits: { groupsMax: 2 } })
    nodes[0]!.join()
    expect(() => nodes[0]!.join()).toThrow(expect.objectContaining({ code: 'GROUP_ALREADY_JOINED' }))
    nodes[0]!.join({ key: GroupKey.random() })
    expect(() => nodes[0]!.join({ key: GroupKey.random() })).toThrow(
      expect.objectContaining({ code: 'GROUPS_TOO_MANY' }),
    )
    await nodes[0]!.service.close()
    expect(() => nodes[0]!.join()).toThrow(expect.objectContaining({ code: 'GROUPS_CLOSED' }))
  })
})

describe('W-B5: tickets of members', () => {
  test('given a ticket that expires, when its time has come, then the bond ends, and not before; a later ticket keeps it', async () => {
    const clock = new ManualClock(Date.now())
    const issuer = new TestIssuer('one')
    // Nothing but tickets happens at these times.
    const timing = { heartbeatIntervalMs: 1_000_000, electionTimeoutMs: 2_000_000 }
    await using nodes = await startNodes({ clock }, { clock })
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const startMs = clock.now()
    const issue = (untilMs: number): void => {
      for (const node of nodes) node.discovery.replaceTicket(issuer.issue(node.peerId, untilMs))
      for (const [to, about] of [
        [n0, n1],
        [n1, n0],
      ] as const)
        to.discovery.feed(about.discovery.signedEntry())
    }
    issue(startMs + 10_000)
    const groups = nodes.map((node) => node.join({ validators: [issuer.validator], timing }))
    await discoverAll(nodes)
    clock.advance(500)
    await bondedWith(groups[0]!, n1)
    await bondedWith(groups[1]!, n0)
    issue(startMs + 60_000)
    clock.advance(59_500)
    expect(groups[0]!.lost).toEqual([])
    clock.advance(2)
    expect(groups[0]!.lost).toMatchObject([{ reason: { code: 30403 } }])
    expect(groups[0]!.peers).toEqual([])
  })

  test('given a ticket that is withdrawn, when that is heard by any way, then the bond ends at once', async () => {
    const issuer = new TestIssuer('one')
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    for (const node of nodes) node.discovery.addTicket(issuer.issue(node.peerId, 'never'))
    const groups = nodes.map((node) => node.join({ validators: [issuer.validator] }))
    await discoverAll(nodes)
    await bondedWith(groups[0]!, n1)
    n1.discovery.removeTicketsOf(issuer.validator.class)
    const revoked = n1.discovery.signedEntry()
    // As anybody may bring it, who has it from anybody.
    n0.discovery.feed(revoked)
    expect(groups[0]!.lost).toMatchObject([{ reason: { code: 30403 }, by: 'local' }])
  })
})

describe('W-B10: a busy event loop', () => {
  test('given a node that is busy for many times as long as a member may be silent, then its bonds are still there', async () => {
    const timing = { heartbeatIntervalMs: 60, heartbeatJitterMs: 10, missedHeartbeatsMax: 4 }
    await using pair = await bondedPair({ timing })
    const { groups, large } = pair
    const bond = groups[0].bondWith(large)
    for (let i = 0; i < 3; i++) {
      const untilMs = performance.now() + 1_000
      while (performance.now() < untilMs);
      for (let turn = 0; turn < 5; turn++) await nextTurn()
    }
    bond.send('control', new TextEncoder().encode('still here'))
    await eventually(() => expect(groups[1].received.at(-1)?.text).toBe('still here'))
    expect([...groups[0].lost, ...groups[1].lost]).toEqual([])
  })
})

test('W-L8: given a node that becomes another member again and again, then its bonds are back at once each time, whatever failed before', async () => {
  await using pair = await bondedPair()
  const { groups, large, small } = pair
  const startMs = performance.now()
  for (let life = 1; life <= 7; life++) {
    groups[0].bonds.renew(`${life}`.repeat(16))
    await eventually(() => {
      expect(groups[1].bondWith(small).member.endsWith(`${life}`.repeat(16))).toBe(true)
      expect(groups[0].bondWith(large).end).toBeUndefined()
    })
  }
  // With a back-off that grows it were 15 s.
  expect(performance.now() - startMs).toBeLessThan(5_000 * timeFactor)
})

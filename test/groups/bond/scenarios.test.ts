import { describe, expect, test } from '@jest/globals'
import { validateTicket } from '#framework/discovery'
import { groupIdOf } from '../../../framework/groups/bond/group-id.js'
import { GroupKey } from '../../../framework/groups/bond/group-key.js'
import { eventually } from '../../support/eventually.js'
import { TestIssuer } from '../../streams/tickets.js'
import { bondedWith, discoverAll, parametersOf, sharedKey, startNodes, type TestNode } from './support.js'

const hour = 3_600_000

/** Gives a node tickets, and sees to it that they are not news to anybody later. */
function give(node: TestNode, ...issuers: readonly TestIssuer[]): void {
  for (const issuer of issuers) node.discovery.addTicket(issuer.issue(node.peerId, Date.now() + hour))
}

/** Waits until a node has judged all others, or was refused by them: whatever does not come about now never does. */
async function everybodyIsKnown(nodes: readonly TestNode[]): Promise<void> {
  await eventually(() =>
    expect(
      nodes.map(({ discovery }) => {
        const entries = [...discovery.catalog.value.peers.values()]
        return entries.filter(({ groups }) => groups.length > 0).length
      }),
    ).toEqual(nodes.map(() => nodes.length - 1)),
  )
}

describe('members', () => {
  test('members_can_see_each_other: given four nodes and three keys with overlapping members, when all join, then each has bonds with exactly those it shares a group with', async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, n1, n2, n3] = nodes as unknown as [TestNode, TestNode, TestNode, TestNode]
    const keys = [GroupKey.random(), GroupKey.random(), GroupKey.random()] as const
    await discoverAll(nodes)
    const first = [n0, n1].map((node) => node.join({ key: keys[0] }))
    const second = [n0, n2, n3].map((node) => node.join({ key: keys[1] }))
    const third = [n1, n2].map((node) => node.join({ key: keys[2] }))
    await bondedWith(first[0]!, n1)
    await bondedWith(first[1]!, n0)
    await bondedWith(second[0]!, n2, n3)
    await bondedWith(second[1]!, n0, n3)
    await bondedWith(second[2]!, n0, n2)
    await bondedWith(third[0]!, n2)
    await bondedWith(third[1]!, n1)
    expect(new Set([...first, ...second, ...third].map(({ bonds }) => bonds.id)).size).toBe(3)
  })

  test('members_can_see_each_other: given members, then both sides of a bond know it by the same id, and each other as members', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const g0 = n0.join({ incarnation: '00'.repeat(8), capabilities: ['b', 'a', 'c'] })
    const g1 = n1.join({ incarnation: '11'.repeat(8), capabilities: ['c', 'b', 'd'] })
    await discoverAll(nodes)
    await bondedWith(g0, n1)
    await bondedWith(g1, n0)
    expect(g0.bondWith(n1).id).toBe(g1.bondWith(n0).id)
    expect(g0.bondWith(n1).member).toBe(`${n1.peerId}/${'11'.repeat(8)}`)
    expect(g1.bondWith(n0).member).toBe(`${n0.peerId}/${'00'.repeat(8)}`)
    expect(g0.bondWith(n1).capabilities).toEqual(['b', 'c'])
    expect(g1.bondWith(n0).capabilities).toEqual(['b', 'c'])
  })
})

describe('group_id_derived_from_config', () => {
  test('given the same key and parameters, then the ids are equal; given another key, another machine, other times or validators, then they differ', () => {
    const id = (key: GroupKey, options = {}) => groupIdOf(key, parametersOf(options))
    const other = GroupKey.random()
    const [a, b] = [new TestIssuer('a').validator, new TestIssuer('b').validator]
    expect(id(sharedKey)).toBe(id(GroupKey.fromHex(sharedKey.toHex())))
    expect(id(other)).toBe(id(other))
    const ids = [
      id(sharedKey),
      id(other),
      id(sharedKey, { stateMachine: 'counter' }),
      id(sharedKey, { validators: [a] }),
      id(sharedKey, { validators: [a, b] }),
      id(sharedKey, { validators: [b, a] }),
      id(sharedKey, { timing: { heartbeatIntervalMs: 501 } }),
      id(sharedKey, { timing: { heartbeatJitterMs: 151 } }),
      id(sharedKey, { timing: { missedHeartbeatsMax: 11 } }),
      id(sharedKey, { timing: { electionTimeoutMs: 2_001 } }),
      id(sharedKey, { timing: { electionJitterMs: 501 } }),
    ]
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('authorisation', () => {
  test('jwt_authorized_peers_can_bond: given nodes with a valid, a valid, an expired and no ticket, when all join, then only the first two have a bond', async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, n1, n2, n3] = nodes as unknown as [TestNode, TestNode, TestNode, TestNode]
    const issuer = new TestIssuer('one')
    give(n0, issuer)
    give(n1, issuer)
    n2.discovery.addTicket(issuer.issue(n2.peerId, Date.now() - hour))
    const groups = nodes.map((node) => node.join({ validators: [issuer.validator] }))
    await discoverAll(nodes)
    await everybodyIsKnown(nodes)
    await bondedWith(groups[0]!, n1)
    await bondedWith(groups[1]!, n0)
    // Those without a ticket have asked those with one, and were refused.
    for (const node of [n2, n3]) {
      const labels = { group: groups[0]!.bonds.id.slice(0, 10), side: 'dialler', result: 'not_allowed' }
      await eventually(() => node.metric('mosaik_group_handshakes_total', labels) >= 2)
    }
    expect(groups.map(({ peers }) => peers.length)).toEqual([1, 1, 0, 0])
    expect(groups.map(({ made }) => made.length)).toEqual([1, 1, 0, 0])
  })

  test('bond_terminated_on_jwt_ticket_revocation: given two bonded ticket holders, when one removes its tickets and its entry reaches the other, then the bond ends', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const issuer = new TestIssuer('one')
    give(n0, issuer)
    give(n1, issuer)
    const groups = nodes.map((node) => node.join({ validators: [issuer.validator] }))
    await discoverAll(nodes)
    await bondedWith(groups[0]!, n1)
    await bondedWith(groups[1]!, n0)
    n1.discovery.removeTicketsOf(issuer.validator.class)
    await bondedWith(groups[0]!)
    await bondedWith(groups[1]!)
    expect(groups[0]!.lost[0]).toMatchObject({ reason: { code: 30403 }, by: 'local' })
    expect(groups[1]!.lost[0]).toMatchObject({ reason: { code: 30403 }, by: 'remote' })
    give(n1, issuer)
    await bondedWith(groups[0]!, n1)
    await bondedWith(groups[1]!, n0)
  })

  test('group_key_derived_from_jwt_validator: given a key derived from the validator, when derived twice, then it is the same, and two nodes that use it bond', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const issuer = new TestIssuer('one')
    const validators = [issuer.validator]
    give(n0, issuer)
    give(n1, issuer)
    expect(GroupKey.fromValidator(issuer.validator).toHex()).toBe(
      GroupKey.fromValidator(issuer.validator).toHex(),
    )
    const [g0, g1] = nodes.map((node) =>
      node.join({ key: GroupKey.fromValidator(issuer.validator), validators }),
    )
    expect(g0!.bonds.id).toBe(g1!.bonds.id)
    await discoverAll(nodes)
    await bondedWith(g0!, n1)
    await bondedWith(g1!, n0)
  })

  test('mismatched_jwt_auth_config_prevents_bonding: given one node with and one without the validator under one key, then their ids differ and they do not bond', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes as unknown as [TestNode, TestNode]
    const issuer = new TestIssuer('one')
    give(n0, issuer)
    give(n1, issuer)
    const [g0, g1] = [n0.join({ validators: [issuer.validator] }), n1.join()]
    expect(g0.bonds.id).not.toBe(g1.bonds.id)
    await discoverAll(nodes)
    await everybodyIsKnown(nodes)
    // A group that both are in comes about, and by then the other one would have.
    const key = GroupKey.random()
    const both = nodes.map((node) => node.join({ key }))
    await bondedWith(both[0]!, n1)
    await bondedWith(both[1]!, n0)
    expect([...g0.peers, ...g1.peers]).toEqual([])
  })

  test('multiple_ticket_validators: given two validators, when nodes have tickets of both, both, one and the other, then only the first two bond', async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, n1, n2, n3] = nodes as unknown as [TestNode, TestNode, TestNode, TestNode]
    const [a, b] = [new TestIssuer('a'), new TestIssuer('b')]
    give(n0, a, b)
    give(n1, a, b)
    give(n2, a)
    give(n3, b)
    const groups = nodes.map((node) => node.join({ validators: [a.validator, b.validator] }))
    await discoverAll(nodes)
    await everybodyIsKnown(nodes)
    await bondedWith(groups[0]!, n1)
    await bondedWith(groups[1]!, n0)
    for (const node of [n2, n3]) {
      const labels = { group: groups[0]!.bonds.id.slice(0, 10), side: 'dialler', result: 'not_allowed' }
      await eventually(() => node.metric('mosaik_group_handshakes_total', labels) >= 2)
    }
    expect(groups.map(({ peers }) => peers.length)).toEqual([1, 1, 0, 0])
    expect(validateTicket(n2.discovery.me, b.validator)).toBe('invalid')
  })
})

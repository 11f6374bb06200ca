// Groups of a topology: who their members and founders are, what is wrong with them, and how they are drawn.
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Identity } from '#framework/network'
import {
  dataflow,
  founderIdentity,
  foundersOf,
  groupsOf,
  toDot,
  toJson,
  toMermaid,
  validate,
  withFoundings,
  type GroupMembership,
  type NodeDeclaration,
  type Problem,
  type Topology,
} from '#framework/topology'
import { node, service, topology } from './declare.js'

const secret = 'f1c2a09b3d4c5e8f6a7b8c9d0e1f2a3b'

function part(group: string, rest: Partial<GroupMembership> = {}): GroupMembership {
  return {
    group,
    machine: 'test.book',
    role: 'member',
    member: group,
    onLeader: [],
    onFollower: [],
    options: {},
    ...rest,
  }
}

function member(name: string, replicas: number, ...groups: readonly GroupMembership[]): NodeDeclaration {
  return node(name, { replicas, services: [service('Matcher', { groups })] })
}

/** A closed network, so that nothing is to be said about keys. */
function closed(nodes: readonly NodeDeclaration[], rest: Partial<Topology> = {}): Topology {
  return { ...topology(...nodes), secret: { env: 'SECRET' }, ...rest }
}

function problems(declared: Topology): string[] {
  return validate(declared).map(({ code, severity, path }) => `${severity} ${code} ${path.join('.')}`)
}

function onlyProblem(declared: Topology): Problem {
  const found = validate(declared)
  expect(found).toHaveLength(1)
  return found[0]!
}

describe('members and founders', () => {
  const founders = (declared: Topology): string[] =>
    foundersOf(groupsOf(declared)[0]!).map(({ node: name, replica }) => `${name}-${replica}`)

  test.each([
    [1, ['a-0']],
    [2, ['a-0']],
    [3, ['a-0', 'a-1', 'a-2']],
    [4, ['a-0', 'a-1', 'a-2']],
    [5, ['a-0', 'a-1', 'a-2', 'a-3', 'a-4']],
    [7, ['a-0', 'a-1', 'a-2', 'a-3', 'a-4']],
  ])('given %d members and nobody who says how many vote, %j found the group', (replicas, expected) => {
    expect(founders(closed([member('a', replicas, part('book'))]))).toEqual(expected)
  })

  test('given a number of voters, the first of each kind come before the second of any, and readers never', () => {
    const declared = closed(
      [
        member('b', 3, part('book')),
        member('a', 3, part('book')),
        member('c', 3, part('book', { role: 'reader' })),
      ],
      { groups: [{ name: 'book', voters: 4 }] },
    )
    expect(founders(declared)).toEqual(['a-0', 'b-0', 'a-1', 'b-1'])
  })

  test('given what services and the operator say of voters, the operator is right', () => {
    const nodes = [member('a', 7, part('book', { options: { voters: 5 } }))]
    expect(founders(closed(nodes))).toHaveLength(5)
    expect(founders(closed(nodes, { groups: [{ name: 'book', voters: 3 }] }))).toHaveLength(3)
  })

  test('given the same nodes in any order, the founders are the same', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((name, index) => member(name, index + 1, part('book')))
    fc.assert(
      fc.property(fc.shuffledSubarray(nodes, { minLength: 4 }), (shuffled) => {
        expect(founders(closed(shuffled))).toEqual(founders(closed(nodes)))
      }),
    )
  })

  test('given a closed network, everybody who has the secret knows the founders, and each of them knows itself', () => {
    const declared = closed([member('a', 3, part('book')), member('b', 1, part('book', { role: 'reader' }))])
    const shared = { network: 'test', secret }
    const { book } = withFoundings(shared, declared)
    const identities = [0, 1, 2].map((replica) =>
      founderIdentity(shared, { node: 'a', replica }, { book: book! }),
    )
    expect(book?.founding).toEqual({
      type: 'declared',
      founders: identities.map((identity) => identity?.peerId),
    })
    expect(new Set(identities.map((identity) => identity?.peerId)).size).toBe(3)
    expect(founderIdentity(shared, { node: 'b', replica: 0 }, { book: book! })).toBeUndefined()
  })

  test('given another secret, network, node or replica, the identity is another one', () => {
    const declared = closed([member('a', 3, part('book')), member('b', 2, part('book'))])
    const idOf = (network: string, key: string, name: string, replica: number) => {
      const shared = { network, secret: key }
      return founderIdentity(shared, { node: name, replica }, withFoundings(shared, declared))?.peerId
    }
    const ids = [
      idOf('test', secret, 'a', 0),
      idOf('test2', secret, 'a', 0),
      idOf('test', `${secret}0`, 'a', 0),
      idOf('test', secret, 'b', 0),
      idOf('test', secret, 'a', 1),
    ]
    expect(new Set(ids).size).toBe(5)
    expect(idOf('test', secret, 'a', 0)).toBe(ids[0])
  })

  test('given an open network, nobody knows the founders, so it takes as many as there are', () => {
    const declared = topology(member('a', 4, part('book')))
    const shared = { network: 'test' }
    expect(withFoundings(shared, declared)).toEqual({ book: { founding: { type: 'expect', count: 3 } } })
    expect(
      founderIdentity(shared, { node: 'a', replica: 0 }, withFoundings(shared, declared)),
    ).toBeUndefined()
  })

  test('given settings, they stay, and how the group is founded too', () => {
    const peer = Identity.fromSeed(new Uint8Array(32).fill(7)).peerId
    const founding = { type: 'declared', founders: [peer] } as const
    const settings = { book: { voters: 3, founding }, other: { voters: 1 } }
    const declared = topology(member('a', 3, part('book')))
    expect(withFoundings({ network: 'test' }, declared, settings)).toEqual(settings)
  })
})

describe('problems', () => {
  test('given a group with an odd number of voters that there are, nothing is wrong', () => {
    const declared = closed([member('a', 3, part('book'))], { groups: [{ name: 'book', voters: 3 }] })
    expect(validate(declared)).toEqual([])
  })

  test('a group that no service takes part in is an error, with the one that was likely meant', () => {
    const declared = closed([member('a', 3, part('book'))], { groups: [{ name: 'bok', voters: 3 }] })
    expect(onlyProblem(declared)).toMatchObject({
      code: 'GROUP_UNKNOWN',
      severity: 'error',
      path: ['groups', 0],
      hint: 'did you mean "book"?',
    })
    expect(validate(closed([node('a')], { groups: [{ name: 'book' }] }))[0]?.hint).toContain('@Group')
  })

  test('an even number of voters, and more voters than members, are warnings where they are said', () => {
    const declared = closed([member('a', 3, part('book'))], { groups: [{ name: 'book', voters: 4 }] })
    expect(problems(declared)).toEqual([
      'warning GROUP_VOTERS_EVEN groups.0.voters',
      'warning GROUP_VOTERS_MISSING groups.0.voters',
    ])
    const inCode = closed([member('a', 3, part('book', { options: { voters: 4 } }))])
    expect(problems(inCode)).toEqual([
      'warning GROUP_VOTERS_EVEN nodes.0.services.0.groups.0',
      'warning GROUP_VOTERS_MISSING nodes.0.services.0.groups.0',
    ])
  })

  test.each([0, 1.5, -1, 100])('%d voters are an error', (voters) => {
    const declared = closed([member('a', 3, part('book'))], { groups: [{ name: 'book', voters }] })
    expect(problems(declared)).toEqual(['error GROUP_VOTERS_INVALID groups.0.voters'])
  })

  test('a group of readers only is worth a warning', () => {
    const declared = closed([member('a', 3, part('book', { role: 'reader' }))])
    expect(problems(declared)).toEqual(['warning GROUP_WITHOUT_VOTERS nodes.0.services.0.groups.0'])
  })

  test('a name that cannot name a group is an error', () => {
    expect(problems(closed([member('a', 1, part(' book'))]))).toEqual([
      'error GROUP_NAME_INVALID nodes.0.services.0.groups.0',
    ])
  })

  test.each([
    ['machine', { machine: 'test.other' }, 'another state machine'],
    ['times', { options: { timing: { electionTimeoutMs: 500 } } }, 'other times'],
    ['tickets', { options: { requireTicket: [{ class: 'jwt', signature: 'x' }] } }, 'other tickets'],
    ['key', { options: { key: 'GroupKey(1234567890)' } }, 'another key'],
  ])('members that differ in their %s would never meet: an error', (_, rest, what) => {
    const declared = closed([member('a', 3, part('book')), member('b', 1, part('book', rest))])
    const problem = onlyProblem(declared)
    expect(problem).toMatchObject({ code: 'GROUP_CONFLICT', path: ['nodes', 1, 'services', 0, 'groups', 0] })
    expect(problem.message).toContain(what)
  })

  test('members that differ in how they take part are fine, unless they are on one node', () => {
    const reader = part('book', { role: 'reader', options: { consistency: 'local' } })
    expect(validate(closed([member('a', 3, part('book')), member('b', 1, reader)]))).toEqual([])
    const both = node('a', {
      replicas: 3,
      services: [service('Matcher', { groups: [part('book')] }), service('Reporter', { groups: [reader] })],
    })
    expect(problems(closed([both]))).toEqual(['error GROUP_CONFLICT nodes.0.services.1.groups.0'])
  })

  test('storage that outlives the process needs a folder', () => {
    const kept = { groups: [{ name: 'book', storage: 'lmdb' as const }] }
    const nodes = [member('a', 3, part('book', { options: { storage: 'lmdb' } }))]
    expect(problems(closed(nodes, kept))).toEqual(['error GROUP_STORAGE_WITHOUT_DATA groups.0.storage'])
    expect(problems(closed(nodes))).toEqual(['error GROUP_STORAGE_WITHOUT_DATA nodes.0.services.0.groups.0'])
    expect(problems(closed(nodes, { groups: [{ name: 'book', storage: 'memory' }] }))).toEqual([])
    expect(problems(closed(nodes, { ...kept, data: './data' }))).toEqual([])
  })

  test('a group that anybody could be a member of is worth a warning', () => {
    const ticket = part('book', { options: { requireTicket: { class: 'jwt', signature: 'x' } } })
    const open = (part: GroupMembership, rest: Partial<Topology> = {}): Topology => ({
      ...topology(member('a', 3, part)),
      listen: '0.0.0.0',
      ...rest,
    })
    const expected = ['warning GROUP_KEY_PUBLIC nodes.0.services.0.groups.0']
    expect(problems(open(part('book')))).toEqual(expected)
    expect(problems(open(ticket))).toEqual([])
    expect(problems(open(part('book'), { groups: [{ name: 'book', key: { env: 'BOOK_KEY' } }] }))).toEqual([])
    expect(problems(open(part('book'), { secret: { env: 'SECRET' } }))).toEqual([])
    // Only processes of this machine could.
    expect(problems(open(part('book'), { listen: '127.0.0.1' }))).toEqual([])
  })
})

describe('drawn', () => {
  const graph = dataflow(
    closed([
      member('matcher', 3, part('book', { onLeader: ['settle'], onFollower: ['watch'] })),
      member('reporter', 1, part('book', { role: 'reader' })),
    ]),
  )

  test('json has the group, its voters, and what each kind of node is in it', () => {
    expect(JSON.parse(toJson(graph))).toMatchObject({
      groups: [
        {
          name: 'book',
          voters: 3,
          members: [
            {
              node: 'matcher',
              role: 'member',
              onLeader: ['Matcher.settle'],
              onFollower: ['Matcher.watch'],
            },
            { node: 'reporter', role: 'reader', onLeader: [], onFollower: [] },
          ],
        },
      ],
    })
  })

  test('mermaid: the members around the group, readers dashed', () => {
    expect(toMermaid(graph)).toMatchInlineSnapshot(`
     "---
     title: "test"
     ---
     flowchart LR
       node_matcher["<b>matcher ×3</b><br/>Matcher"]
       node_reporter["<b>reporter</b><br/>Matcher"]
       group_0{{"<b>book</b><br/>3 voters<br/>leader: Matcher.settle<br/>followers: Matcher.watch"}}
       node_matcher --- group_0
       node_reporter -.- group_0
     "
    `)
  })

  test('dot: lines without direction', () => {
    const dot = toDot(graph)
    expect(dot).toContain('"node matcher" -> "group book" [dir=none, color=')
    expect(dot).toContain('"node reporter" -> "group book" [dir=none, style=dashed, color=')
    expect(dot).toContain('leader: Matcher.settle')
  })

  test('names that would break a drawing are taken literally', () => {
    const hostile = dataflow(closed([member('a', 1, part('q"<>&#;\\'))]))
    expect(toMermaid(hostile)).toContain('<b>q#34;#60;#62;#38;#35;;#92;</b>')
    expect(toDot(hostile)).toContain('"group q\\"<>&#;\\\\"')
  })
})

import { beforeEach, describe, expect, test } from '@jest/globals'
import { ManualClock, type PeerId } from '#framework/primitives'
import { configurationOf, type ClusterId, type Index, type MemberId } from '#framework/groups/raft'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import type { Member } from '../../../framework/groups/member/member.js'
import { hedgeMs } from '../../../framework/groups/member/hedge.js'
import {
  decodeForward,
  type ForwardAnswer,
  type ForwardMessage,
} from '../../../framework/groups/wire/forward-wire.js'
import { Forwarding } from '../../../framework/groups/worker/forwarding.js'
import { ReadAsker, readConfirmation } from '../../../framework/groups/worker/read-asker.js'

const clusterId = 'c0'.repeat(16) as ClusterId
const never = new AbortController().signal
const nameOf = (name: string): MemberId => `${name}/0` as MemberId

type Answer<T = ForwardAnswer> = T extends unknown ? Omit<T, 'id'> : never

/** A learner, l, of three voters, of which a leads in term 5. */
class Learner {
  readonly clock = new ManualClock()
  readonly forwarding = new Forwarding()
  /** What was sent, and not answered yet, as `<to> <type>`. */
  readonly asked: { readonly to: string; readonly message: ForwardMessage }[] = []
  readonly bonds = new Map<PeerId, Bond>()
  ownTerm: number | undefined = 5
  readonly #member: Member
  readonly #asker: ReadAsker

  constructor() {
    const configuration = configurationOf(['a', 'b', 'c'].map(nameOf), [nameOf('l')])
    this.#member = {
      id: nameOf('l'),
      clusterId,
      configuration,
      termIn: () => this.ownTerm,
    } as unknown as Member
    for (const name of ['a', 'b', 'c']) this.bond(name)
    this.#asker = new ReadAsker({
      mesh: { get: (peer) => this.bonds.get(peer) },
      forwarding: this.forwarding,
      clock: this.clock,
      faults: undefined,
    })
  }

  bond(name: string, member = nameOf(name), capabilities: readonly string[] = [readConfirmation]): void {
    const send = (_: string, bytes: Uint8Array): 'sent' => {
      this.asked.push({ to: name, message: decodeForward(bytes) })
      return 'sent'
    }
    this.bonds.set(name as PeerId, { member, capabilities, send } as unknown as Bond)
  }

  read(signal = never): Promise<Index> {
    const read = this.#asker.confirm(this.#member, this.bonds.get('a' as PeerId)!, 'strong', signal)
    read.catch(() => {})
    return read
  }

  /** What was asked since this was looked at last, in its order. */
  get questions(): string[] {
    return this.asked.map(({ to, message }) => `${to} ${message.type}`)
  }

  /** Answers the oldest question of that kind. */
  answer(from: string, type: ForwardMessage['type'], answer: Answer): void {
    const at = this.asked.findIndex(({ to, message }) => to === from && message.type === type)
    const { id } = this.asked.splice(at, 1)[0]!.message
    this.forwarding.onAnswer(this.bonds.get(from as PeerId)!, { ...answer, id } as ForwardAnswer)
  }
}

let learner: Learner

beforeEach(() => {
  learner = new Learner()
})

const readIndex = { type: 'unconfirmed', term: 5, index: 7 } as const
const inTerm = (term: number) => ({ type: 'in-term', term }) as const

test.each(['leader', 'voter'])(
  'given that a leader and one of two other voters answer, the %s first, then a strong read is confirmed, and nobody else was asked',
  async (first) => {
    const read = learner.read()
    expect(learner.questions).toEqual(['a read-index', 'b term'])
    if (first === 'leader') learner.answer('a', 'read-index', readIndex)
    learner.answer('b', 'term', inTerm(5))
    if (first === 'voter') learner.answer('a', 'read-index', readIndex)
    expect(await read).toBe(7)
    expect(learner.questions).toEqual([])
  },
)

describe('the leader has to confirm it with a round, at once', () => {
  test.each<[string, () => void]>([
    [
      'a voter in a later term',
      () => {
        learner.answer('a', 'read-index', readIndex)
        learner.answer('b', 'term', inTerm(6))
      },
    ],
    ['a voter that refuses', () => learner.answer('b', 'term', { type: 'refused', reason: 'refused' })],
    ['a voter that is lost', () => learner.forwarding.onLost(learner.bonds.get('b' as PeerId)!)],
    [
      'a member that is in another cluster when the last voter answers',
      () => {
        learner.answer('a', 'read-index', readIndex)
        learner.ownTerm = undefined
        learner.answer('b', 'term', inTerm(5))
      },
    ],
    [
      'a member that is in another cluster when the leader answers',
      () => {
        learner.answer('b', 'term', inTerm(5))
        learner.ownTerm = undefined
        learner.answer('a', 'read-index', readIndex)
      },
    ],
  ])('given %s', async (_, happens) => {
    const read = learner.read()
    happens()
    expect(learner.questions.at(-1)).toBe('a read')
    learner.answer('a', 'read', { type: 'readable', index: 8 })
    expect(await read).toBe(8)
  })

  test.each<[string, () => void]>([
    ['a leader that does not know how else', () => learner.bond('a', nameOf('a'), [])],
    [
      'voters that do not know how',
      () => {
        learner.bond('b', nameOf('b'), [])
        learner.bond('c', nameOf('c'), [])
      },
    ],
    [
      'other incarnations in the place of voters',
      () => {
        learner.bond('b', 'b/1' as MemberId)
        learner.bond('c', 'c/1' as MemberId)
      },
    ],
  ])('given %s, then nobody else is asked', async (_, change) => {
    change()
    const read = learner.read()
    expect(learner.questions).toEqual(['a read'])
    learner.answer('a', 'read', { type: 'readable', index: 8 })
    expect(await read).toBe(8)
  })
})

test('given a voter that does not answer, then the leader is asked for a round after a while, and other voters are asked from then on', async () => {
  const read = learner.read()
  learner.answer('a', 'read-index', readIndex)
  learner.clock.advance(hedgeMs - 1)
  expect(learner.questions).toEqual(['b term'])
  learner.clock.advance(1)
  expect(learner.questions).toEqual(['b term', 'a read'])
  learner.answer('a', 'read', { type: 'readable', index: 7 })
  expect(await read).toBe(7)
  learner.asked.length = 0
  void learner.read()
  expect(learner.questions).toEqual(['a read-index', 'c term'])
})

test('given a voter that answers late, and before the leader has confirmed it, then that will do', async () => {
  const read = learner.read()
  learner.answer('a', 'read-index', readIndex)
  learner.clock.advance(hedgeMs)
  learner.answer('b', 'term', inTerm(5))
  expect(await read).toBe(7)
})

test('given a leader that confirms it by itself, because other voters are in force, then nobody is waited for', async () => {
  const read = learner.read()
  learner.answer('a', 'read-index', { type: 'readable', index: 9 })
  expect(await read).toBe(9)
})

test.each<[string, () => void, string]>([
  [
    'refuses',
    () => learner.answer('a', 'read-index', { type: 'refused', reason: 'not-leader' }),
    'not-leader',
  ],
  ['is lost', () => learner.forwarding.onLost(learner.bonds.get('a' as PeerId)!), 'lost'],
])('given a leader that %s, then the read fails', async (_, happens, reason) => {
  const read = learner.read()
  happens()
  await expect(read).rejects.toMatchObject({ reason })
})

test.each<[string, (abort: () => void) => void]>([
  ['are confirmed', () => learner.answer('a', 'read-index', { type: 'readable', index: 9 })],
  ['fail', () => learner.answer('a', 'read-index', { type: 'refused', reason: 'not-leader' })],
  ['nobody waits for any more', (abort) => abort()],
])('given more reads that %s than may be under way, then nothing is left of them', async (_, end) => {
  for (let count = 0; count < 1_100; count++) {
    const controller = new AbortController()
    const read = learner.read(controller.signal)
    expect(learner.questions).toEqual(['a read-index', 'b term'])
    end(() => controller.abort(new Error('enough')))
    await read.catch(() => {})
    learner.asked.length = 0
  }
  expect(learner.clock.pendingCount).toBe(0)
})

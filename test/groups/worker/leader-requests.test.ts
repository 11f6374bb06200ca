import { expect, test } from '@jest/globals'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import type { Member } from '../../../framework/groups/member/member.js'
import { decodeForward, type ForwardRequest } from '../../../framework/groups/wire/forward-wire.js'
import { LeaderRequests } from '../../../framework/groups/worker/leader-requests.js'

/** A leader that has appended up to index 6, and what it does. */
function setUp() {
  const done: string[] = []
  const bond = {
    role: 'member',
    send: (_: string, message: Uint8Array) => {
      done.push(`answers ${decodeForward(message).type}`)
      return 'sent'
    },
  } as unknown as Bond
  const member = {
    isOver: false,
    propose: () => ({
      accepted: true,
      term: 1,
      firstIndex: 6,
      lastIndex: 6,
      firstApplicationIndex: 5,
      lastApplicationIndex: 5,
    }),
  } as unknown as Member
  const requests = new LeaderRequests({
    member: () => member,
    read: () => Promise.resolve(6),
    heldAppends: {
      onSubmitted: (_, lastIndex) => done.push(`expects ${lastIndex}`),
      release: () => done.push('releases'),
    },
  })
  return { done, ask: (request: ForwardRequest) => requests.onRequest(bond, request) }
}

const submissions = [{ payload: new Uint8Array(1), commandCount: 1 }]

test('given what is submitted quietly, when it is appended, then who has submitted it hears only that it is committed', () => {
  const { done, ask } = setUp()
  ask({ type: 'submit', id: 1, isQuiet: true, submissions })
  expect(done).toEqual(['expects 6'])
})

test('given what is submitted with a question for its place, when it is appended, then that is answered', () => {
  const { done, ask } = setUp()
  ask({ type: 'submit', id: 1, isQuiet: false, submissions })
  expect(done).toEqual(['expects 6', 'answers appended'])
})

test('given a word that is held back, when somebody is let read, then it hears of what is committed before that', async () => {
  const { done, ask } = setUp()
  ask({ type: 'read', id: 1, consistency: 'strong' })
  await new Promise(setImmediate)
  expect(done).toEqual(['releases', 'answers readable'])
})

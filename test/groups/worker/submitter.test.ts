import { expect, test } from '@jest/globals'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import { SubmissionPipeline, type Call } from '../../../framework/groups/client/submission-pipeline.js'
import type { ReplicatedMachine } from '../../../framework/groups/machine/replicated-machine.js'
import { decodeSubmission } from '../../../framework/groups/machine/submission.js'
import { decodeForward, type SubmitRequest } from '../../../framework/groups/wire/forward-wire.js'
import { Forwarding } from '../../../framework/groups/worker/forwarding.js'
import { Submitter } from '../../../framework/groups/worker/submitter.js'
import { sessionId } from '../machine/entries.js'

/** A submitter with one handle, and the leader that it has been told of. */
function setUp() {
  const forwarding = new Forwarding()
  const submits: SubmitRequest[] = []
  const bondOf = (id: string): Bond =>
    ({
      id,
      send(_: string, message: Uint8Array) {
        submits.push(decodeForward(message) as SubmitRequest)
        return 'sent'
      },
    }) as unknown as Bond
  const submitter = new Submitter<string>({
    forwarding,
    member: () => undefined,
    machine: {} as ReplicatedMachine<unknown, string>,
    signal: new AbortController().signal,
  })
  const pipeline = new SubmissionPipeline<string>(() => sessionId(1))
  submitter.add(pipeline)
  const bond = bondOf('bond')
  submitter.onLeader({ term: 1, bond })
  const submit = async (over: Partial<Call<string>> = {}): Promise<void> => {
    pipeline.add({
      commands: [new Uint8Array(1)],
      wantsPlace: false,
      onAppended: () => {},
      onApplied: () => {},
      onUnknown: () => {},
      ...over,
    })
    submitter.dispatchSoon()
    await Promise.resolve()
  }
  const apply = (sequence: number): void =>
    submitter.onApplied({
      session: sessionId(1),
      sequence,
      verdict: 'applied',
      outcome: { sequence, term: 1, firstIndex: sequence, results: ['done'] },
    })
  const sequencesOf = ({ submissions }: SubmitRequest): number[] =>
    submissions.map(({ payload }) => decodeSubmission(payload).sequence)
  return { forwarding, submits, submitter, bond, bondOf, submit, apply, sequencesOf }
}

test('given a call that waits for its outcome alone, when it is submitted, then the leader is not asked for more', async () => {
  const { submits, submit } = setUp()
  await submit()
  expect(submits.map(({ isQuiet }) => isQuiet)).toEqual([true])
})

test('given a call that wants to know its place, when the leader has it, then it is told', async () => {
  const { forwarding, submits, bond, submit } = setUp()
  const places: number[] = []
  await submit({ wantsPlace: true, onAppended: (index) => places.push(index) })
  expect(submits[0]!.isQuiet).toBe(false)
  forwarding.onAnswer(bond, { type: 'appended', id: submits[0]!.id, term: 1, firstIndices: [7] })
  await new Promise(setImmediate)
  expect(places).toEqual([7])
})

test('given a submission that was refused, then it is submitted again at the next tick', async () => {
  const { forwarding, submits, submitter, bond, submit, sequencesOf } = setUp()
  await submit()
  forwarding.onAnswer(bond, { type: 'refused', id: submits[0]!.id, reason: 'busy' })
  submitter.onTick(1)
  expect(submits.map(sequencesOf)).toEqual([[1], [1]])
})

test('given a refusal of what was submitted again since, or to another leader, then it says nothing', async () => {
  const { forwarding, submits, submitter, bond, bondOf, submit, sequencesOf } = setUp()
  await submit()
  submitter.onTick(1_000)
  expect(submits).toHaveLength(2)
  forwarding.onAnswer(bond, { type: 'refused', id: submits[0]!.id, reason: 'busy' })
  submitter.onTick(1)
  expect(submits).toHaveLength(2)
  submitter.onLeader({ term: 2, bond: bondOf('other') })
  await Promise.resolve()
  expect(submits).toHaveLength(3)
  forwarding.onAnswer(bond, { type: 'refused', id: submits[1]!.id, reason: 'not-leader' })
  submitter.onTick(1)
  expect(submits.map(sequencesOf)).toEqual([[1], [1], [1]])
})

test('given as many submissions one after the other as may be without an answer, and more, then none is refused', async () => {
  const { submits, submit, apply } = setUp()
  for (let sequence = 1; sequence <= 1_100; sequence++) {
    await submit()
    apply(sequence)
  }
  expect(submits).toHaveLength(1_100)
})

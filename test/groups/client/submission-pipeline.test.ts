import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  SubmissionPipeline,
  type Call,
  type Dispatch,
} from '../../../framework/groups/client/submission-pipeline.js'
import { Sessions } from '../../../framework/groups/machine/sessions.js'
import type { AppliedSubmission } from '../../../framework/groups/machine/replicated-machine.js'
import type { Submission } from '../../../framework/groups/machine/submission.js'
import { sessionId } from '../machine/entries.js'

/** A call that notes what it is told. */
class Noted implements Call<string> {
  readonly commands: readonly Uint8Array[]
  readonly told: string[] = []
  wantsPlace = false

  constructor(...texts: string[]) {
    this.commands = texts.map((text) => Buffer.from(text))
  }

  onAppended(firstIndex: number): void {
    this.told.push(`appended ${firstIndex}`)
  }

  onApplied(firstIndex: number, _: number, results: readonly string[]): void {
    this.told.push(`applied ${firstIndex} ${results.join(' ')}`)
  }

  onUnknown(): void {
    this.told.push('unknown')
  }
}

/** A group that applies what reaches it. */
class Group {
  readonly applied: string[] = []
  sessions = new Sessions<string>()

  handle({ opening, submissions }: Dispatch): AppliedSubmission<string>[] {
    if (opening !== undefined) this.sessions.open(opening)
    return submissions.map((submission) => this.apply(submission))
  }

  apply(submission: Submission): AppliedSubmission<string> {
    const { session, sequence, commands } = submission
    const judged = this.sessions.judge(submission)
    if (judged.verdict !== 'apply') return { session, sequence, ...judged }
    const firstIndex = this.applied.length + 1
    const results = commands.map((bytes) => Buffer.from(bytes).toString())
    this.applied.push(...results)
    const outcome = { sequence, term: 1, firstIndex, results }
    this.sessions.settle(session, outcome)
    return { session, sequence, verdict: 'applied', outcome }
  }
}

function pipeline(): SubmissionPipeline<string> {
  let count = 0
  return new SubmissionPipeline(() => sessionId(++count))
}

function texts(dispatch: Dispatch | undefined): string[] {
  return (dispatch?.submissions ?? []).flatMap(({ commands }) =>
    commands.map((bytes) => Buffer.from(bytes).toString()),
  )
}

describe('commands', () => {
  test('say whether anybody wants to know where they are in the log, also when they are submitted again', () => {
    const it = pipeline()
    it.onLeader('1')
    it.add(new Noted('a'))
    expect(it.take()).toMatchObject({ wantsPlaces: false })
    const fed = new Noted('b')
    fed.wantsPlace = true
    it.add(fed)
    expect(it.take()).toMatchObject({ wantsPlaces: true })
    it.onLeader('2')
    expect(it.take()).toMatchObject({ wantsPlaces: true })
  })

  test('wait for a leader, and then go together, behind the opening of their session', () => {
    const it = pipeline()
    for (const text of ['a', 'b', 'c']) it.add(new Noted(text))
    expect(it.take()).toBeUndefined()
    it.onLeader('1')
    const dispatch = it.take()
    expect(dispatch).toMatchObject({ opening: sessionId(1), submissions: [{ sequence: 1, settledBelow: 1 }] })
    expect(texts(dispatch)).toEqual(['a', 'b', 'c'])
    expect(it.take()).toBeUndefined()
  })

  test('each call has the results of its own, and is told where it is', () => {
    const it = pipeline()
    const calls = [new Noted('a'), new Noted('b', 'c')]
    for (const call of calls) it.add(call)
    it.onLeader('1')
    const dispatch = it.take()!
    it.onAppended(1, 5, 1)
    for (const applied of new Group().handle(dispatch)) it.onApplied(applied)
    expect(calls.map(({ told }) => told)).toEqual([
      ['appended 5', 'applied 1 a'],
      ['appended 6', 'applied 2 b c'],
    ])
    expect(it.isIdle).toBe(true)
  })

  test('W-S11: go to every new leader until their outcome is known, and are carried out once', () => {
    const it = pipeline()
    const group = new Group()
    const calls = [new Noted('a'), new Noted('b')]
    it.onLeader('1')
    it.add(calls[0]!)
    // Carried out, and nobody hears of it.
    group.handle(it.take()!)
    it.onLeader('2')
    it.add(calls[1]!)
    for (const applied of group.handle(it.take()!)) it.onApplied(applied)
    expect(group.applied).toEqual(['a', 'b'])
    expect(calls.map(({ told }) => told)).toEqual([['applied 1 a'], ['applied 2 b']])
  })

  test('that have never left can be withdrawn, and those that have cannot', () => {
    const it = pipeline()
    const [first, second] = [new Noted('a'), new Noted('b')]
    it.add(first)
    it.onLeader('1')
    it.take()
    it.add(second)
    expect(it.withdraw(first)).toBe(false)
    expect(it.withdraw(second)).toBe(true)
    expect(it.take()).toBeUndefined()
  })

  test('W-A8: beyond so many, or so many bytes, are refused; one that is alone is not, however long', () => {
    const it = pipeline()
    expect(it.add(new Noted('x'.repeat(65 * 1024 * 1024)))).toBe(true)
    expect(it.add(new Noted('y'))).toBe(false)
    const other = pipeline()
    let taken = 0
    while (other.add(new Noted('z'))) taken++
    expect(taken).toBe(10_000)
  })

  test('given that two submissions are open, then those that follow wait for one to be settled, or fill a third', () => {
    const it = pipeline()
    const group = new Group()
    it.onLeader('1')
    const dispatches = ['a', 'b', 'c', 'd'].map((text) => {
      it.add(new Noted(text))
      return it.take()
    })
    expect(dispatches.map(texts)).toEqual([['a'], ['b'], [], []])
    for (const applied of group.handle(dispatches[0]!)) it.onApplied(applied)
    expect(texts(it.take())).toEqual(['c', 'd'])
    for (let count = 0; count < 511; count++) it.add(new Noted('e'))
    expect(it.take()).toBeUndefined()
    it.add(new Noted('e'))
    expect(texts(it.take())).toHaveLength(512)
  })

  test('given that one got lost in front of others, then all are submitted again, in order', () => {
    const it = pipeline()
    const group = new Group()
    it.onLeader('1')
    it.add(new Noted('a'))
    for (const applied of group.handle(it.take()!)) it.onApplied(applied)
    it.add(new Noted('b'))
    it.take() // Lost.
    it.add(new Noted('c'))
    for (const applied of group.handle(it.take()!)) it.onApplied(applied)
    expect(group.applied).toEqual(['a'])
    for (const applied of group.handle(it.take()!)) it.onApplied(applied)
    expect(group.applied).toEqual(['a', 'b', 'c'])
    expect(it.isIdle).toBe(true)
  })
})

describe('a session that the group has forgotten', () => {
  test('then what was submitted has an unknown outcome, and what was not goes in a new one', () => {
    const it = pipeline()
    const group = new Group()
    it.onLeader('1')
    it.add(new Noted('a'))
    for (const applied of group.handle(it.take()!)) it.onApplied(applied)
    group.sessions = new Sessions()
    const [sent, unsent] = [new Noted('b'), new Noted('c')]
    it.add(sent)
    const lost = it.take()!
    it.add(unsent)
    for (const applied of group.handle(lost)) it.onApplied(applied)
    expect(sent.told).toEqual(['unknown'])
    const dispatch = it.take()!
    expect(dispatch).toMatchObject({ opening: sessionId(2), submissions: [{ sequence: 1 }] })
    for (const applied of group.handle(dispatch)) it.onApplied(applied)
    expect(unsent.told).toEqual(['applied 2 c'])
  })

  test('given that it is forgotten because its opening was lost with a leader, then nothing is unknown', () => {
    const it = pipeline()
    const group = new Group()
    const call = new Noted('a')
    it.onLeader('1')
    it.add(call)
    const { submissions } = it.take()!
    for (const applied of group.handle({ opening: undefined, submissions, wantsPlaces: false }))
      it.onApplied(applied)
    for (const applied of group.handle(it.take()!)) it.onApplied(applied)
    expect(call.told).toEqual(['applied 1 a'])
  })
})

describe('a state that was replaced as a whole', () => {
  test('then the outcomes that are in it are told, and the rest is submitted', () => {
    const it = pipeline()
    const group = new Group()
    const calls = [new Noted('a'), new Noted('b')]
    it.onLeader('1')
    it.add(calls[0]!)
    group.handle(it.take()!)
    it.add(calls[1]!)
    it.take()
    it.onRestored(group.sessions.lastOf(it.session), (sequence) =>
      group.sessions.outcomeOf(it.session, sequence),
    )
    expect(calls.map(({ told }) => told)).toEqual([['applied 1 a'], []])
    it.resubmit()
    for (const applied of group.handle(it.take()!)) it.onApplied(applied)
    expect(calls[1]!.told).toEqual(['applied 2 b'])
  })
})

test('property: whatever gets lost, comes twice or late, each command is carried out at most once, in order, and at last all are', () => {
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'send', 'send', 'lose', 'leader', 'replay', 'resubmit'),
    seed: fc.nat(1_000),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const it = pipeline()
      const group = new Group()
      const calls: Noted[] = []
      const sent: Dispatch[] = []
      let leader = 0
      const deliver = (dispatch: Dispatch): void => {
        for (const applied of group.handle(dispatch)) it.onApplied(applied)
      }
      it.onLeader('0')
      for (const { kind, seed } of steps) {
        if (kind === 'add') {
          calls.push(new Noted(`${calls.length}`))
          it.add(calls.at(-1)!)
        } else if (kind === 'send' || kind === 'lose') {
          const dispatch = it.take()
          if (dispatch === undefined) continue
          sent.push(dispatch)
          if (kind === 'send') deliver(dispatch)
        } else if (kind === 'leader') it.onLeader(String(++leader))
        else if (kind === 'replay' && sent.length > 0) deliver(sent[seed % sent.length]!)
        else if (kind === 'resubmit') it.resubmit()
      }
      it.onLeader(String(++leader))
      for (let dispatch = it.take(); dispatch !== undefined; dispatch = it.take()) deliver(dispatch)
      expect(group.applied).toEqual(calls.map((_, place) => `${place}`))
      expect(
        calls.every(({ told }, place) => told.at(-1)?.endsWith(` ${place}`) && !told.includes('unknown')),
      ).toBe(true)
      expect(it.isIdle).toBe(true)
    }),
    { numRuns: 500 },
  )
})

// When methods of a role begin, end and begin again; every wait is for a turn of the loop or for a clock that is told.
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { GroupStatus } from '#framework/groups'
import { digestOf, ManualClock, nextTurn, seededRandom, Watch } from '#framework/primitives'
import { runInRole, termOfRole, type RoleRun } from '../../decorators/role-runs.js'

const idle: GroupStatus = {
  id: digestOf('group'),
  phase: 'joining',
  cause: undefined,
  role: 'follower',
  term: 0,
  leader: undefined,
  clusterId: undefined,
  committed: 0,
  durability: { acks: 0, voters: 0, isDurable: false },
}
const leading = (term: number): GroupStatus => ({ ...idle, phase: 'online', role: 'leader', term })
const following = (term: number): GroupStatus => ({ ...idle, phase: 'online', role: 'follower', term })

interface Call {
  readonly term: number
  readonly signal: AbortSignal
  end(): void
  fail(error: unknown): void
}

function start(role: RoleRun['role'] = 'leader', first: GroupStatus = idle) {
  const status = new Watch(first)
  const clock = new ManualClock()
  const stopping = new AbortController()
  const calls: Call[] = []
  const failures: unknown[] = []
  let lateCount = 0
  const over = runInRole({
    role,
    status,
    call: (signal, term) =>
      new Promise<void>((resolve, reject) => calls.push({ term, signal, end: resolve, fail: reject })),
    onFailure: (error) => failures.push(error),
    onLate: () => lateCount++,
    clock,
    random: seededRandom('roles'),
    signal: stopping.signal,
  }).catch((error: unknown) => error)
  const become = async (next: GroupStatus): Promise<void> => {
    status.set(next)
    await nextTurn()
  }
  return { status, clock, stopping, calls, failures, over, become, lateCount: () => lateCount }
}

describe('who has which role', () => {
  test.each([
    [leading(3), 3, undefined],
    [following(3), undefined, 3],
    [{ ...leading(3), phase: 'stalled' as const }, undefined, undefined],
    [{ ...following(3), phase: 'joining' as const }, undefined, undefined],
    [{ ...following(3), role: 'candidate' as const }, undefined, undefined],
  ])('%#: leader in term %s, follower in term %s', (status, leader, follower) => {
    expect(termOfRole(status, 'leader')).toBe(leader)
    expect(termOfRole(status, 'follower')).toBe(follower)
  })
})

describe('calls', () => {
  test('given a node that leads when it starts, the method is called at once, with the term', async () => {
    const { calls } = start('leader', leading(7))
    await nextTurn()
    expect(calls.map(({ term }) => term)).toEqual([7])
  })

  test('given a leader that becomes a follower, the signal aborts', async () => {
    const { calls, become } = start()
    await become(leading(2))
    expect(calls[0]?.signal.aborted).toBe(false)
    await become(following(3))
    expect(calls[0]?.signal.aborted).toBe(true)
    expect(String(calls[0]?.signal.reason)).toContain('no leader of term 2')
  })

  test('given a new term while the call before still runs, the next call waits for its end: they never overlap', async () => {
    const { calls, become } = start()
    await become(leading(2))
    await become(following(3))
    await become(leading(4))
    expect(calls).toHaveLength(1)
    calls[0]!.end()
    await nextTurn()
    expect(calls.map(({ term }) => term)).toEqual([2, 4])
  })

  test('given terms that follow each other in one turn, the later one is another duty', async () => {
    const { calls, status } = start('leader', leading(2))
    await nextTurn()
    status.set(following(3))
    status.set(leading(4))
    expect(calls[0]!.signal.aborted).toBe(true)
    calls[0]!.end()
    await nextTurn()
    expect(calls.map(({ term }) => term)).toEqual([2, 4])
  })

  test('given a call that ends by itself, it is not called again in the same term', async () => {
    const { calls, become, clock } = start()
    await become(leading(2))
    calls[0]!.end()
    // Until then nothing waits for the clock that could.
    await nextTurn()
    clock.advance(60_000)
    await nextTurn()
    expect(calls).toHaveLength(1)
    await become(following(3))
    await become(leading(4))
    expect(calls).toHaveLength(2)
  })

  test('given a call that ends because it was told to, that is no failure', async () => {
    const { calls, become, failures } = start()
    await become(leading(2))
    await become(following(3))
    calls[0]!.fail(calls[0]!.signal.reason)
    await nextTurn()
    expect(failures).toEqual([])
  })

  test('given a call that fails after it was told to end, that is told', async () => {
    const { calls, become, failures } = start()
    await become(leading(2))
    await become(following(3))
    calls[0]!.fail(new Error('broken'))
    await nextTurn()
    expect(failures).toEqual([new Error('broken')])
  })

  test('given a call that fails, it is repeated after a while that grows, as long as the role lasts', async () => {
    const { calls, become, failures, clock } = start()
    await become(leading(2))
    calls[0]!.fail(new Error('first'))
    await nextTurn()
    expect(calls).toHaveLength(1)
    clock.advance(750)
    await nextTurn()
    expect(calls).toHaveLength(2)
    calls[1]!.fail(new Error('second'))
    await nextTurn()
    clock.advance(400)
    await nextTurn()
    expect(calls).toHaveLength(2)
    await become(following(3))
    clock.advance(60_000)
    await nextTurn()
    expect(calls).toHaveLength(2)
    expect(failures).toHaveLength(2)
  })

  test('given a call that does not end with its role, that is told once', async () => {
    const { become, clock, lateCount } = start()
    await become(leading(2))
    clock.advance(60_000)
    expect(lateCount()).toBe(0)
    await become(following(3))
    clock.advance(2_999)
    expect(lateCount()).toBe(0)
    clock.advance(1)
    expect(lateCount()).toBe(1)
  })

  test('given a call that ends soon after its role, that is not told', async () => {
    const { calls, become, clock, lateCount } = start()
    await become(leading(2))
    await become(following(3))
    clock.advance(2_999)
    calls[0]!.end()
    await nextTurn()
    clock.advance(3_000)
    expect(lateCount()).toBe(0)
  })

  test('given a service that stops, it resolves when the call has ended, with the reason', async () => {
    const { calls, become, stopping, over } = start()
    await become(leading(2))
    let isOver = false
    void over.then(() => (isOver = true))
    stopping.abort(new Error('stopping'))
    await nextTurn()
    expect(calls[0]!.signal.aborted).toBe(true)
    expect(isOver).toBe(false)
    calls[0]!.end()
    expect(await over).toEqual(new Error('stopping'))
  })

  test('given a group that is over, it resolves', async () => {
    const { calls, become, status, over } = start('follower')
    await become(following(2))
    status.end()
    await nextTurn()
    expect(calls[0]!.signal.aborted).toBe(true)
    calls[0]!.end()
    expect(await over).toBeUndefined()
  })
})

const changes = fc.array(
  fc.oneof(
    fc.record({ to: fc.constantFrom('lead', 'follow', 'join'), ahead: fc.integer({ min: 0, max: 2 }) }),
    fc.constantFrom('end' as const, 'fail' as const, 'wait' as const),
  ),
  { maxLength: 40 },
)

test('whatever happens, no two calls overlap, and none runs unaborted outside of its term', async () => {
  await fc.assert(
    fc.asyncProperty(changes, async (steps) => {
      const { calls, status, stopping, over, clock } = start()
      const running = new Set<Call>()
      let seen = 0
      let term = 1
      const look = (): void => {
        for (const call of calls.slice(seen)) running.add(call)
        seen = calls.length
        expect(running.size).toBeLessThanOrEqual(1)
        for (const call of running)
          if (!call.signal.aborted) expect(termOfRole(status.value, 'leader')).toBe(call.term)
      }
      for (const step of steps) {
        const [call] = running
        if (step === 'wait') clock.advance(40_000)
        else if (step === 'end' || step === 'fail') {
          if (call !== undefined) {
            running.delete(call)
            if (step === 'end') call.end()
            else call.fail(new Error('failed'))
          }
        } else {
          term += step.ahead
          status.set(
            step.to === 'lead' ? leading(term) : step.to === 'follow' ? following(++term) : { ...idle, term },
          )
        }
        look()
        await nextTurn()
        look()
      }
      stopping.abort(new Error('over'))
      for (const call of calls) call.end()
      await over
    }),
    { numRuns: 60 },
  )
})

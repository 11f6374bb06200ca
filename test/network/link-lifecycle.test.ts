import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CloseReasons, type CloseReason } from '../../framework/network/close-reason.js'
import { LinkLifecycle, type LinkAction, type LinkEvent } from '../../framework/network/link-lifecycle.js'

const reason = fc.constantFrom<CloseReason>(...Object.values(CloseReasons))
const event: fc.Arbitrary<LinkEvent> = fc.oneof(
  fc.constant<LinkEvent>({ type: 'opened' }),
  fc.record({
    type: fc.constantFrom<('close' | 'abort' | 'refuse' | 'close-received')[]>(
      'close',
      'abort',
      'refuse',
      'close-received',
    ),
    reason,
  }),
  fc.record({ type: fc.constant<'read-ended'>('read-ended'), clean: fc.boolean(), detail: fc.string() }),
  fc.constantFrom<LinkEvent[]>({ type: 'write-failed' }, { type: 'write-ended' }, { type: 'deadline' }),
)

function did(actions: readonly LinkAction[]): string[] {
  return actions.map((action) => action.do)
}

describe('the life of a link', () => {
  test('given any events in any order, when they are handled, then the link ends once, for its first reason', () => {
    fc.assert(
      fc.property(fc.constantFrom('opening' as const, 'open' as const), fc.array(event), (start, events) => {
        const life = new LinkLifecycle(start)
        const all: string[] = []
        let ending = life.ending
        let deadlineStarted = false
        for (const next of events) {
          const actions = did(life.handle(next))
          all.push(...actions)
          deadlineStarted ||= actions.includes('start-deadline')

          // The first reason wins, and whoever waits to receive hears of it in the same step.
          if (ending === undefined && life.ending !== undefined) expect(actions).toContain('stop-receiving')
          if (ending !== undefined) expect(life.ending).toBe(ending)
          ending = life.ending
          expect(ending !== undefined).toBe(life.phase === 'closing' || life.phase === 'closed')

          // No phase that waits for the other side does so without an end.
          if (life.phase === 'failing' || life.phase === 'closing') expect(deadlineStarted).toBe(true)
          expect(all.includes('finish')).toBe(life.phase === 'closed')
        }
        for (const once of ['stop-receiving', 'start-deadline', 'finish']) {
          expect(all.filter((action) => action === once).length).toBeLessThanOrEqual(1)
        }
        expect(all.filter((action) => action.endsWith('-close')).length).toBeLessThanOrEqual(1)
        if (all.includes('finish')) expect(all.at(-1)).toBe('finish')
      }),
      { numRuns: 1000 },
    )
  })

  test('given any events, when the deadline passes after an end began, then the link is over and nobody waits', () => {
    fc.assert(
      fc.property(fc.array(event), reason, (events, last) => {
        const life = new LinkLifecycle('open')
        const all = events.flatMap((next) => did(life.handle(next)))
        all.push(
          ...did(life.handle({ type: 'close', reason: last })),
          ...did(life.handle({ type: 'deadline' })),
        )
        expect(life.phase).toBe('closed')
        // Either all that waited was sent, which is what an end without abort means, or it was rejected.
        if (all.includes('abort')) expect(all.lastIndexOf('reject-sends')).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  test('given an open link, when its owner closes it, then what waits is sent, CLOSE follows, and both ends are awaited', () => {
    const life = new LinkLifecycle('open')
    const { Success: success } = CloseReasons
    expect(life.handle({ type: 'close', reason: success })).toEqual([
      { do: 'drop-received' },
      { do: 'stop-receiving' },
      { do: 'start-deadline' },
      { do: 'say-close', reason: success },
    ])
    expect(life.ending).toEqual({ reason: success, by: 'local' })
    expect(life.handle({ type: 'write-ended' })).toEqual([])
    expect(life.phase).toBe('closing')
    expect(did(life.handle({ type: 'read-ended', clean: true, detail: '' }))).toEqual(['finish'])
    expect(life.phase).toBe('closed')
  })

  test('given an open link, when the other side closes it, then its reason counts and Success is the answer', () => {
    const life = new LinkLifecycle('open')
    const { UnknownPeer: unknown } = CloseReasons
    expect(life.handle({ type: 'close-received', reason: unknown })).toEqual([
      { do: 'stop-receiving' },
      { do: 'reject-sends' },
      { do: 'start-deadline' },
      { do: 'say-close', reason: CloseReasons.Success },
    ])
    expect(life.ending).toEqual({ reason: unknown, by: 'remote' })
  })

  test('given an open link, when the other side breaks the protocol, then it is told why and what came before can be taken', () => {
    const life = new LinkLifecycle('open')
    const { ProtocolViolation: violation } = CloseReasons
    const actions = life.handle({ type: 'refuse', reason: violation })
    expect(actions).toContainEqual({ do: 'say-close', reason: violation })
    expect(did(actions)).not.toContain('drop-received')
    expect(life.ending?.by).toBe('local')
  })

  test('given a failed write, when the reason of the other side still comes, then that is what the link ended of', () => {
    const life = new LinkLifecycle('open')
    expect(did(life.handle({ type: 'write-failed' }))).toEqual(['start-deadline'])
    expect(life.ending).toBeUndefined()
    expect(did(life.handle({ type: 'close-received', reason: CloseReasons.TooSlow }))).toEqual([
      'stop-receiving',
      'reject-sends',
      'abort',
      'finish',
    ])
    expect(life.ending).toEqual({ reason: CloseReasons.TooSlow, by: 'remote' })
  })

  test.each<[string, LinkEvent]>([
    ['the stream ends', { type: 'read-ended', clean: true, detail: 'gone' }],
    ['the stream breaks', { type: 'read-ended', clean: false, detail: 'gone' }],
    ['nothing more comes', { type: 'deadline' }],
  ])('given a failed write, when %s, then the link was lost with its transport (103)', (_, next) => {
    const life = new LinkLifecycle('open')
    life.handle({ type: 'write-failed' })
    expect(did(life.handle(next))).toContain('finish')
    expect(life.ending).toMatchObject({ reason: { code: 103 }, by: 'transport' })
  })

  test('given an open link, when the stream ends without a CLOSE, then it is 103 and the other side is told, in case it reads', () => {
    const life = new LinkLifecycle('open')
    const actions = life.handle({ type: 'read-ended', clean: true, detail: 'ended inside a frame' })
    expect(life.ending).toEqual({
      reason: { ...CloseReasons.UnexpectedClose, message: 'ended inside a frame' },
      by: 'transport',
    })
    expect(actions).toContainEqual({ do: 'say-close', reason: life.ending!.reason })
    expect(did(life.handle({ type: 'write-ended' }))).toEqual(['finish'])
  })

  test.each<[string, LinkEvent]>([
    ['a deadline', { type: 'deadline' }],
    ['an abort', { type: 'abort', reason: CloseReasons.Cancelled }],
    ['a failing write', { type: 'write-failed' }],
    ['a reset', { type: 'read-ended', clean: false, detail: '' }],
  ])(
    'given a link that is closing, when %s cuts it short, then the rest is given up but the reason stays',
    (_, next) => {
      const life = new LinkLifecycle('open')
      life.handle({ type: 'close', reason: CloseReasons.GracefulShutdown })
      expect(did(life.handle(next))).toEqual(['reject-sends', 'abort', 'finish'])
      expect(life.ending?.reason).toBe(CloseReasons.GracefulShutdown)
    },
  )

  test('given an open link, when its owner aborts it, then the reason is tried, the stream reset, and it is over at once', () => {
    const life = new LinkLifecycle('open')
    expect(did(life.handle({ type: 'abort', reason: CloseReasons.Cancelled }))).toEqual([
      'drop-received',
      'stop-receiving',
      'reject-sends',
      'try-close',
      'abort',
      'finish',
    ])
    expect(life.phase).toBe('closed')
  })
})

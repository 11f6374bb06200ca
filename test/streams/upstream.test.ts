// A consumer's relation to one producer, on a clock of its own and without a network.
import { afterEach, describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import type { Discovery, PeerEntry } from '#framework/discovery'
import {
  CloseReasons,
  LinkClosedError,
  linkPair,
  type CloseReason,
  type Host,
  type Link,
} from '#framework/network'
import { ManualClock, seededRandom, silentLogger } from '#framework/primitives'
import { stream, type BackoffPolicy, type ConsumerEvent, type SubscriptionStatus } from '#framework/streams'
import { openingPayload, streamsProtocol, type SubscribeRequest } from '../../framework/streams/wire.js'
import { ResumePoints } from '../../framework/streams/consuming/resume-points.js'
import { Upstream, type UpstreamOwner } from '../../framework/streams/consuming/upstream.js'
import { entryNamed } from '../discovery/ranking-support.js'

const Data1 = stream('upstream.data1', z.object({ n: z.number() }))
const me = entryNamed('consumer')
const first = entryNamed('producer', { addresses: ['/ip4/10.0.0.1/udp/1/quic-v1'] })
const minute = 60_000

/** What becomes of an attempt: a link whose other end is the test's, or an error. */
type Answer = CloseReason | 'link' | 'silence'

class Scene {
  readonly clock = new ManualClock()
  /** By what entry each attempt was made. */
  readonly attempts: PeerEntry[] = []
  /** The producer's ends of the links. */
  readonly links: Link[] = []
  /** The other ends of them. */
  readonly ownLinks: Link[] = []
  readonly events: ConsumerEvent[] = []
  readonly upstream: Upstream
  startsBySelf = true
  /** What comes of the entry in the producer's greeting. */
  onGreeting: () => void = () => undefined
  readonly failures: unknown[] = []
  onStatus: () => void = () => undefined
  readonly #answers: Answer[]

  /** @param answers What the attempts get, the last one again and again. */
  constructor(
    answers: Answer[],
    backoff: UpstreamOwner['backoff'] = { initialMs: 100, factor: 2, jitter: 0, maxMs: 1_000 },
  ) {
    this.#answers = [...answers]
    const owner = {
      context: {
        host: { peerId: me.peer } as Host,
        discovery: {
          feed: () => this.onGreeting(),
          catalog: { value: { get: () => undefined } },
        } as unknown as Discovery,
        clock: this.clock,
        random: seededRandom(1),
        logger: silentLogger,
      } as unknown as UpstreamOwner['context'],
      stream: Data1,
      windowBytes: 1_000,
      form: 'all',
      acknowledging: 'taken',
      resumePoints: new ResumePoints(),
      backoff,
      open: (entry: PeerEntry, _request: SubscribeRequest, signal: AbortSignal) => this.#open(entry, signal),
      request: () => ({}) as SubscribeRequest,
      emit: (event: ConsumerEvent) => void this.events.push(event),
      onStatus: () => this.onStatus(),
      onIdle: (upstream: Upstream) => {
        if (this.startsBySelf) upstream.start()
      },
      onFrame: () => undefined,
      onLost: () => undefined,
      onFailed: (cause: unknown) => void this.failures.push(cause),
      onInvalid: () => undefined,
    } satisfies UpstreamOwner
    this.upstream = new Upstream(first, owner)
    this.upstream.begin()
  }

  get status(): SubscriptionStatus {
    return this.upstream.status()
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.settle()
  }

  /** The link that there is breaks. */
  async lose(): Promise<void> {
    this.links.at(-1)!.abort(CloseReasons.UnexpectedClose)
    await this.settle()
  }

  async end(): Promise<void> {
    await this.upstream.stop(CloseReasons.Cancelled)
    await Promise.all(this.ownLinks.map(({ closed }) => closed))
  }

  #open(entry: PeerEntry, signal: AbortSignal): Promise<Link> {
    this.attempts.push(entry)
    const answer = this.#answers.length > 1 ? this.#answers.shift()! : this.#answers[0]!
    if (answer === 'silence') {
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    if (answer !== 'link') {
      const where = { peer: entry.peer, protocol: streamsProtocol.id }
      return Promise.reject(new LinkClosedError(answer, 'remote', where))
    }
    const { id, fingerprint, codec } = Data1
    const greeting = { stream: id, fingerprint, codec: codec.id, epoch: 'first', sequence: 0 }
    const [ours, theirs] = linkPair({
      protocol: streamsProtocol,
      peerA: me.peer,
      peerB: entry.peer,
      acceptPayload: openingPayload({ ...greeting, entry: new Uint8Array(0) }),
      clock: this.clock,
    })
    this.links.push(theirs)
    this.ownLinks.push(ours)
    return Promise.resolve(ours)
  }
}

let it: Scene

async function startGreeted(onGreeting: () => void): Promise<void> {
  it = new Scene(['link'])
  it.onGreeting = onGreeting
  await it.settle()
}

async function start(answers: Answer[], backoff?: UpstreamOwner['backoff']): Promise<void> {
  it = new Scene(answers, backoff)
  await it.settle()
}

afterEach(async () => {
  await it.end()
  expect(it.clock.pendingCount).toBe(0)
})

test('S-9: given a subscription on which nothing was sent for six minutes, when it is lost, then there is another attempt after the first delay, every time', async () => {
  await start(['link'])
  for (let loss = 1; loss <= 5; loss++) {
    expect(it.status.state).toBe('connected')
    await it.advance(6 * minute)
    await it.lose()
    expect(it.status).toMatchObject({ state: 'closed', lastClose: { code: 103 } })
    await it.advance(99)
    expect(it.attempts).toHaveLength(loss)
    await it.advance(1)
    expect(it.attempts).toHaveLength(loss + 1)
  }
})

test('given a subscription that has begun, then its link keeps nothing of what was said on opening', async () => {
  await start(['link'])
  expect(it.status.state).toBe('connected')
  const [link] = it.ownLinks
  expect(link).toMatchObject({ openPayload: undefined, acceptPayload: undefined })
})

test('given attempts that fail, then each delay is longer, and the status says when the next one is due', async () => {
  await start([CloseReasons.NoCapacity])
  for (const delayMs of [100, 200, 400, 800]) {
    expect(it.status).toMatchObject({ state: 'closed', lastClose: { code: 10509 } })
    expect(it.status.retryAtMs).toBe(it.clock.now() + delayMs)
    await it.advance(delayMs)
  }
  expect(it.status.attempt).toBe(5)
})

describe('given a back-off that has given up', () => {
  const once = (): BackoffPolicy => {
    const delays = [50]
    return { next: () => delays.shift(), reset: () => undefined }
  }

  test('then there is no timer and no other attempt until the producer says something new', async () => {
    await start([CloseReasons.UnexpectedClose], once)
    await it.advance(50)
    expect(it.status).toMatchObject({ state: 'closed', attempt: 2, retryAtMs: undefined })
    expect(it.clock.pendingCount).toBe(0)
    await it.advance(24 * 60 * minute)
    // The same words, heard again.
    it.upstream.onEntry({ ...first })
    await it.settle()
    expect(it.attempts).toHaveLength(2)
    it.upstream.onEntry(changed({ tags: ['new'] }))
    await it.settle()
    expect(it.attempts).toHaveLength(3)
  })

  test('when this node says something new about itself, then there is another attempt', async () => {
    await start([CloseReasons.UnexpectedClose], () => ({ next: () => undefined, reset: () => undefined }))
    it.upstream.onOwnEntry()
    await it.settle()
    expect(it.attempts).toHaveLength(2)
  })
})

describe('S-8: given a producer that refuses', () => {
  test.each(['NotAllowed', 'SchemaMismatch', 'DifferentNetwork'] as const)(
    'with %s, then neither signs of life of it nor time make another attempt for long',
    async (name) => {
      await start([CloseReasons[name]], { maxMs: 40_000, jitter: 0 })
      for (let beat = 0; beat < 1_000; beat++) {
        it.upstream.onEntry({ ...first })
        it.clock.advance(10)
        if (beat % 100 === 0) await it.settle()
      }
      expect(it.attempts).toHaveLength(1)
      await it.advance(30_000)
      expect(it.attempts).toHaveLength(2)
    },
  )

  test.each([
    ['it says something new', () => it.upstream.onEntry(changed({ tags: ['new'] }))],
    ['this node says something new', () => it.upstream.onOwnEntry()],
  ])('when %s, then there is another attempt at once', async (_, change) => {
    await start([CloseReasons.NotAllowed, 'link'])
    change()
    await it.settle()
    expect(it.status).toMatchObject({ state: 'connected', attempt: 2 })
  })
})

describe('S-25: given a producer that has moved', () => {
  const moved = changed({ addresses: ['/ip4/10.0.0.2/udp/1/quic-v1'] })

  test('while there is a wait, then the next attempt is at once, and at the new address', async () => {
    await start([CloseReasons.UnexpectedClose, 'link'])
    it.upstream.onEntry(moved)
    await it.settle()
    expect(it.attempts).toEqual([first, moved])
    expect(it.status.state).toBe('connected')
  })

  test('while an attempt at the old address hangs, then that is given up', async () => {
    await start(['silence', 'link'])
    it.upstream.onEntry(moved)
    await it.settle()
    expect(it.attempts).toEqual([first, moved])
    expect(it.status.state).toBe('connected')
  })

  test('when it has another address besides the old one, then an attempt at that goes on', async () => {
    await start(['silence'])
    it.upstream.onEntry(changed({ addresses: [...first.addresses, ...moved.addresses] }))
    await it.settle()
    expect(it.attempts).toHaveLength(1)
  })
})

test('given a producer whose process was replaced, then the link to the old one is given up, and the new one is subscribed to at once', async () => {
  await start(['link'])
  it.upstream.onEntry({ ...first, version: { run: 2, update: 2 } })
  await it.settle()
  expect(it.status).toMatchObject({ state: 'connected', attempt: 2, lastClose: { code: 103 } })
})

test('given one who decides when to start, then there is no attempt without it, and waiting for it takes no timer', async () => {
  await start([CloseReasons.UnexpectedClose, 'link'])
  it.startsBySelf = false
  await it.advance(100)
  expect(it.status).toMatchObject({ state: 'closed', attempt: 1, retryAtMs: undefined })
  expect([it.upstream.isWaiting, it.upstream.producerState]).toEqual([false, 'idle'])
  expect(it.clock.pendingCount).toBe(0)
  // No reason to begin by itself.
  it.upstream.onEntry(changed({ tags: ['new'] }))
  await it.settle()
  expect(it.attempts).toHaveLength(1)
  it.upstream.start()
  await it.settle()
  expect([it.status.attempt, it.upstream.producerState]).toEqual([2, 'connected'])
  it.upstream.start()
  expect(it.attempts).toHaveLength(2)
})

test.each([
  ['while it is connecting', ['silence'], () => Promise.resolve()],
  ['while it is connected', ['link'], () => Promise.resolve()],
  ['while it waits', [CloseReasons.UnexpectedClose], () => Promise.resolve()],
  [
    'while it may not start',
    [CloseReasons.UnexpectedClose],
    () => {
      it.startsBySelf = false
      return it.advance(100)
    },
  ],
] satisfies [string, Answer[], () => Promise<void>][])(
  'when it is stopped %s, then it ends, and nothing is attempted any more',
  async (_, answers, prepare) => {
    await start(answers)
    await prepare()
    const { length } = it.attempts
    await it.end()
    await it.advance(minute)
    expect(it.attempts).toHaveLength(length)
  },
)

test('S-17: given a consumer that leaves, then the producer is told Cancelled', async () => {
  await start(['link'])
  void it.upstream.stop(CloseReasons.Cancelled)
  expect(await it.links[0]!.closed).toMatchObject({ code: 102 })
  await it.end()
  expect(it.events.map(({ type }) => type)).toEqual(['subscribed', 'unsubscribed'])
})

test('given a subscription that the consumer leaves, then it says at once that it has ended: before another one with the producer can begin', async () => {
  await start(['link'])
  void it.upstream.stop(CloseReasons.NotAllowed)
  expect(it.events.map(({ type }) => type)).toEqual(['subscribed', 'unsubscribed'])
  expect(it.events.at(-1)).toMatchObject({ reason: { code: 10403 } })
  await it.end()
  expect(it.events).toHaveLength(2)
})

describe('given a greeting with an entry that is news', () => {
  test('when the consumer leaves the producer for it, then there was no subscription', async () => {
    await startGreeted(() => void it.upstream.stop(CloseReasons.NotAllowed))
    expect(await it.links[0]!.closed).toMatchObject({ code: 10403 })
    await it.end()
    expect(it.events).toEqual([])
  })

  test('when it says that the producer was restarted, then that is who greets, and the subscription goes on', async () => {
    await startGreeted(() => it.upstream.onEntry({ ...first, version: { run: 2, update: 1 } }))
    expect(it.status).toMatchObject({ state: 'connected', attempt: 1 })
    it.upstream.onEntry({ ...first, version: { run: 2, update: 2 } })
    await it.settle()
    expect(it.status).toMatchObject({ state: 'connected', attempt: 1 })
    it.upstream.onEntry({ ...first, version: { run: 3, update: 1 } })
    it.onGreeting = () => undefined
    await it.settle()
    expect(it.status).toMatchObject({ state: 'connected', attempt: 2, lastClose: { code: 103 } })
  })
})

describe('given a subscription, when this node says something new about itself', () => {
  test('and is then refused for what it was before, then there is another attempt at once', async () => {
    await start(['link'])
    it.upstream.onOwnEntry()
    await it.links[0]!.close(CloseReasons.NotAllowed)
    await it.settle()
    expect(it.status).toMatchObject({ state: 'connected', attempt: 2 })
    // Nothing is new any more.
    await it.links[1]!.close(CloseReasons.NotAllowed)
    await it.settle()
    expect(it.status).toMatchObject({ state: 'closed', attempt: 2 })
  })

  test('and it is then lost, then the back-off counts', async () => {
    await start(['link'])
    it.upstream.onOwnEntry()
    await it.lose()
    expect(it.status).toMatchObject({ state: 'closed', attempt: 1 })
  })
})

function changed(content: Partial<Pick<PeerEntry, 'tags' | 'addresses'>>): PeerEntry {
  return { ...first, ...content, version: { run: 1, update: 2 } }
}

test('given a mistake of ours when a subscription has begun, then the link is closed, and nothing is attempted any more', async () => {
  it = new Scene(['link'])
  it.onStatus = () => {
    if (it.status.state === 'connected') throw new Error('a mistake')
  }
  await it.settle()
  expect(it.failures).toEqual([new Error('a mistake')])
  expect(it.links[0]).toMatchObject({ isOver: true })
  it.upstream.onEntry(changed({ tags: ['new'] }))
  await it.advance(minute)
  expect(it.attempts).toHaveLength(1)
})

test('given a mistake of ours in what comes of a change, then the owner is told of it, and it can still be stopped', async () => {
  await start(['link'])
  it.onStatus = () => {
    throw new Error('a mistake')
  }
  await it.lose()
  expect(it.failures).toEqual([new Error('a mistake')])
  await it.end()
})

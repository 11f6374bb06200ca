import { describe, expect, test } from '@jest/globals'
import {
  ManualClock,
  MetricsRegistry,
  nextTurn,
  raceSignal,
  seededRandom,
  silentLogger,
} from '#framework/primitives'
import { Identity } from '#framework/network'
import { CloseReasons, LinkClosedError, type CloseReason } from '../../framework/network/close-reason.js'
import { ReachMetrics } from '../../framework/network/reach/metrics.js'
import { PUNCH } from '../../framework/network/reach/punch-protocol.js'
import { Puncher, type PuncherParts } from '../../framework/network/reach/puncher.js'
import { relayedAddress } from '../../framework/network/relay/relay-address.js'
import type { Link } from '../../framework/network/link.js'
import type { PeerConnection } from '../../framework/network/peer-connection.js'

const MINUTE = 60_000
const self = Identity.random(seededRandom('self'))
const caller = Identity.random(seededRandom('caller')).peerId
const relay = Identity.random(seededRandom('relay')).peerId
const never = new AbortController().signal

/**
 * A node that accepts relayed connections of a caller at a public address, without a network: what dialling the caller
 * and asking it for its part come to is said by `dial` and `ask`.
 */
class CalledNode implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly #registry = new MetricsRegistry()
  readonly #admitted = new Set<PeerConnection>()
  #onAdmitted: (connection: PeerConnection) => void = () => {}
  readonly #puncher: Puncher
  /** How often the caller was dialled. */
  dialledCount = 0
  /** How often the caller was asked to take part. */
  askedCount = 0
  /** Whether the caller can be dialled. */
  isDialable = false
  /** Why the caller refuses; nothing when it takes part. */
  refusal: CloseReason | undefined
  /** Whether the caller says nothing at all. */
  isSilent = false

  constructor() {
    this.#puncher = new Puncher({
      context: {
        clock: this.clock,
        random: seededRandom('called'),
        logger: silentLogger,
        identity: self,
        transports: undefined as never,
      },
      connections: {
        onAdmitted: (fn) => {
          this.#onAdmitted = fn
          return () => {}
        },
        best: () => [...this.#admitted].at(-1),
        direct: () => [...this.#admitted].find(({ transport }) => transport !== 'relay'),
        of: () => [...this.#admitted].at(-1),
      },
      links: { serve: () => () => {}, open: (_connection, _protocol, { signal }) => this.#ask(signal) },
      metrics: new ReachMetrics(this.#registry),
      own: () => [],
      dial: () => this.#dial(),
      addressesOf: () => [],
    })
  }

  counted(result: string): number {
    return this.#registry.value('mosaik_hole_punches_total', { result }) ?? 0
  }

  /** A connection with the caller is admitted. */
  admit(transport: PeerConnection['transport']) {
    const { promise: gone, resolve } = Promise.withResolvers<void>()
    const connection = {
      id: `connection-${this.#admitted.size}`,
      peer: caller,
      direction: 'inbound',
      transport,
      address:
        transport === 'relay' ? relayedAddress('/ip4/127.0.0.1/tcp/1', relay) : '/ip4/192.0.2.1/tcp/4001',
      admitted: Promise.resolve(),
      gone,
    } as Partial<PeerConnection> as PeerConnection
    this.#admitted.add(connection)
    this.#onAdmitted(connection)
    const end = (): void => {
      this.#admitted.delete(connection)
      resolve()
    }
    return { connection, end }
  }

  /** Lets time pass, in steps in which everything that is under way comes to its end. */
  async pass(ms: number): Promise<void> {
    for (let rest = ms; rest > 0; rest -= 1_000) {
      await nextTurn()
      this.clock.advance(Math.min(rest, 1_000))
    }
    await nextTurn()
  }

  /** The connection that a link takes which is opened now. */
  settled(connection: PeerConnection): Promise<PeerConnection> {
    return this.#puncher.settled(connection, never)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#puncher.close()
  }

  #dial(): ReturnType<PuncherParts['dial']> {
    this.dialledCount++
    if (!this.isDialable) return Promise.reject(new Error('nobody answers'))
    this.admit('quic')
    return Promise.resolve(undefined as never)
  }

  /** A caller that takes part can be dialled, but makes no mapping: the attempt is over after that. */
  #ask(signal: AbortSignal): Promise<Link> {
    this.askedCount++
    if (this.isSilent) return raceSignal(new Promise<never>(() => {}), signal)
    const link = { peer: caller, protocol: PUNCH.id }
    if (this.refusal !== undefined) return Promise.reject(new LinkClosedError(this.refusal, 'remote', link))
    return Promise.resolve({
      acceptPayload: { addresses: ['/ip4/192.0.2.1/udp/4001/quic-v1'] },
      close: () => Promise.resolve(),
    } as Partial<Link> as Link)
  }
}

describe('replacing a relayed connection', () => {
  test('given a first attempt that fails, when its time has come, then there is another one, and none once the connection is direct', async () => {
    await using node = new CalledNode()
    node.refusal = CloseReasons.TooManyRequests
    node.admit('relay')
    await node.pass(2_000)
    expect(node.askedCount).toBe(1)
    expect(node.counted('failed')).toBe(1)

    node.refusal = undefined
    node.isDialable = true
    await node.pass(8_000)
    expect(node.askedCount).toBe(2)
    expect(node.counted('reversed')).toBe(1)
    expect(node.clock.pendingCount).toBe(0)
    await node.pass(30 * MINUTE)
    expect(node.askedCount).toBe(2)
  })

  test('given attempts that all fail, then they come to an end, and nothing is waited for any more', async () => {
    await using node = new CalledNode()
    node.refusal = CloseReasons.TooManyRequests
    node.admit('relay')
    await node.pass(30 * MINUTE)
    expect(node.askedCount).toBe(6)
    expect(node.counted('failed')).toBe(6)
    expect(node.clock.pendingCount).toBe(0)
  })

  test.each([
    ['goes', (_node: CalledNode, end: () => void) => end()],
    ['is joined by a direct one that came about otherwise', (node: CalledNode) => void node.admit('tcp')],
  ])(
    'given a relayed connection that waits for its next attempt, when it %s, then there is none',
    async (_, happen) => {
      await using node = new CalledNode()
      node.refusal = CloseReasons.TooManyRequests
      const { end } = node.admit('relay')
      await node.pass(1_000)
      expect(node.clock.pendingCount).toBe(1)
      happen(node, end)
      await nextTurn()
      expect(node.clock.pendingCount).toBe(0)
      await node.pass(30 * MINUTE)
      expect(node.askedCount).toBe(1)
    },
  )

  test.each([
    ['refuses for good', CloseReasons.NotAllowed],
    ['does not speak the protocol', CloseReasons.InvalidAlpn],
  ])('given a peer that %s, then it is not asked again', async (_, refusal) => {
    await using node = new CalledNode()
    node.refusal = refusal
    node.admit('relay')
    await node.pass(30 * MINUTE)
    expect(node.askedCount).toBe(1)
    expect(node.counted('failed')).toBe(1)
  })

  test('given a relay that can show no mapping, then the peer is asked once and dialled once', async () => {
    await using node = new CalledNode()
    node.admit('relay')
    await node.pass(30 * MINUTE)
    expect(node.askedCount).toBe(1)
    expect(node.dialledCount).toBe(1)
    expect(node.counted('failed')).toBe(1)
  })

  test('given a link that is opened during an attempt, when that is the first one, then the link waits for it, two seconds at most; and for no later one', async () => {
    await using node = new CalledNode()
    node.isSilent = true
    const { connection } = node.admit('relay')
    let isSettled = false
    const settled = node.settled(connection).then(() => (isSettled = true))
    await node.pass(1_900)
    expect(isSettled).toBe(false)
    await node.pass(100)
    await settled
    // The first attempt lasts 15 s, and the second one begins 2.5 to 7.5 s later.
    await node.pass(22_000)
    expect(node.askedCount).toBe(2)
    expect(await node.settled(connection)).toBe(connection)
  })
})

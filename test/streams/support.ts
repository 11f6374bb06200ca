import { expect } from '@jest/globals'
import { Discovery, type DiscoveryOptions } from '#framework/discovery'
import { Host, type Identity, type HostOptions } from '#framework/network'
import {
  randomDigest,
  systemClock,
  systemRandom,
  type Clock,
  type Deadline,
  type Logger,
  type NetworkId,
  type PeerId,
  type Timer,
} from '#framework/primitives'
import { Streams, type Consumer, type Producer, type SubscriptionStatus } from '#framework/streams'
import { eventually } from '../support/eventually.js'
import { meet, together } from '../support/meeting.js'

export { discoverAll } from '../support/meeting.js'

export interface NodeOptions {
  readonly tags?: readonly string[]
  readonly name?: string
  readonly identity?: Identity
  readonly listen?: HostOptions['listen']
  readonly discovery?: Partial<DiscoveryOptions>
  readonly logger?: Logger
  /** For the streams alone. Default: the clock of the machine. */
  readonly clock?: Clock
}

/** A network of its own for each test. */
export function freshNetwork(): NetworkId {
  return randomDigest(systemRandom)
}

/** A clock, and how often it was used. */
class CountingClock implements Clock {
  uses = 0
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    this.uses++
    return this.#clock.now()
  }

  monotonic(): number {
    this.uses++
    return this.#clock.monotonic()
  }

  after(ms: number, run: () => void): Timer {
    this.uses++
    return this.#clock.after(ms, run)
  }

  sleep(...args: Parameters<Clock['sleep']>): Promise<void> {
    this.uses++
    return this.#clock.sleep(...args)
  }

  deadline(...args: Parameters<Clock['deadline']>): Deadline {
    this.uses++
    return this.#clock.deadline(...args)
  }
}

/** A node of the layers up to streams, over QUIC on loopback. */
export class TestNode implements AsyncDisposable {
  readonly host: Host
  readonly discovery: Discovery
  readonly streams: Streams

  readonly #clock: CountingClock

  private constructor(host: Host, discovery: Discovery, streams: Streams, clock: CountingClock) {
    this.host = host
    this.discovery = discovery
    this.streams = streams
    this.#clock = clock
  }

  static async start(network: NetworkId, options: NodeOptions = {}): Promise<TestNode> {
    const { identity, logger, name, tags, listen = ['/ip4/127.0.0.1/udp/0/quic-v1'] } = options
    const host = await Host.start({
      network,
      listen,
      ...(identity && { identity }),
      ...(logger && { logger }),
    })
    const discovery = await Discovery.start({
      host,
      ...(tags && { tags }),
      ...(name !== undefined && { node: { name, replica: 0 } }),
      ...(logger && { logger }),
      ...options.discovery,
    })
    const clock = new CountingClock(options.clock ?? systemClock)
    const streams = Streams.start({ host, discovery, clock, ...(logger && { logger }) })
    return new TestNode(host, discovery, streams, clock)
  }

  /** How often the streams of this node have looked at the clock or set a timer. */
  get clockUses(): number {
    return this.#clock.uses
  }

  get peerId(): PeerId {
    return this.host.peerId
  }

  meet(other: TestNode): Promise<void> {
    return meet(this, other)
  }

  /** Disappears without a word to anybody, as far as that is possible within a process. */
  async vanish(): Promise<void> {
    await this.host.close()
    await this[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.streams.close()
    await this.discovery.close()
    await this.host.close()
  }
}

/** Starts nodes in a fresh network, one for each of the options. */
export async function startNodes(...options: readonly NodeOptions[]): Promise<TestNode[] & AsyncDisposable> {
  const network = freshNetwork()
  const nodes = await Promise.all(options.map((each) => TestNode.start(network, each)))
  return together(nodes)
}

/** Tells a node what another one says about itself now, without waiting for gossip. */
export function feed(to: TestNode, about: TestNode): void {
  to.discovery.feed(about.discovery.signedEntry())
}

type End = Pick<Producer<unknown> | Consumer<unknown>, 'subscriptions'>

/** The peers at the other end of the connected subscriptions, in the order of their ids. */
export function connectedPeers({ subscriptions }: End): PeerId[] {
  return subscriptions.value
    .filter(({ state }) => state === 'connected')
    .map(({ role, producer, consumer }) => (role === 'producer' ? consumer : producer))
    .sort()
}

export function peersOf(...nodes: readonly TestNode[]): PeerId[] {
  return nodes.map(({ peerId }) => peerId).sort()
}

/** Waits until exactly these nodes are at the other end of connected subscriptions. */
export async function connectedTo(end: End, ...nodes: readonly TestNode[]): Promise<void> {
  await eventually(() => expect(connectedPeers(end)).toEqual(peersOf(...nodes)))
}

export function statusWith(end: End, node: TestNode): SubscriptionStatus | undefined {
  return end.subscriptions.value.find(({ producer, consumer, role }) => {
    return (role === 'producer' ? consumer : producer) === node.peerId
  })
}

/** Waits until a consumer was turned away by a node with this code. */
export async function refusedBy(consumer: Consumer<unknown>, node: TestNode, code: number): Promise<void> {
  await eventually(() =>
    expect(statusWith(consumer, node)).toMatchObject({ state: 'closed', lastClose: { code } }),
  )
}

/** Takes that many datums. */
export async function take<T>(consumer: Consumer<T>, count: number): Promise<T[]> {
  const datums: T[] = []
  while (datums.length < count) {
    const datum = await consumer.recv()
    if (datum === undefined) throw new Error(`the stream ended after ${datums.length} of ${count} datums`)
    datums.push(datum)
  }
  return datums
}

// A node without a network, to run single services on.
import {
  Condition,
  digestOf,
  ManualClock,
  Mailbox,
  MetricsRegistry,
  seededRandom,
  Watch,
  ZERO_DIGEST,
  type Clock,
  type ConditionOptions,
  type Logger,
  type PeerId,
} from '#framework/primitives'
import type { Group, GroupStatus } from '#framework/groups'
import type { StreamDefinition, Streams } from '#framework/streams'
import type { BoundService, ServiceRuntime } from '#framework/topology'
import { bindingOf, type Class } from '#decorators'

/** What a test can do with the other end of a consumer. */
export interface FakeConsumer {
  push(...datums: readonly unknown[]): void
  end(): void
  readonly waitingCount: number
}

/** What a test can do with a group that a service has joined. */
export interface FakeGroup {
  readonly options: Readonly<Record<string, unknown>>
  become(status: Partial<GroupStatus>): void
  /** The group is over on this node. */
  end(status: Partial<GroupStatus>): void
}

export class FakeNode {
  readonly clock: Clock
  readonly metrics = new MetricsRegistry()
  readonly logged: string[] = []
  readonly displayed: string[] = []
  readonly finished: (string | undefined)[] = []
  readonly opened: string[] = []
  readonly #closing = new AbortController()
  readonly #consumers = new Map<string, FakeConsumer>()
  readonly #groups = new Map<string, FakeGroup>()
  readonly #config: Readonly<Record<string, unknown>>
  readonly #streams: Streams

  constructor({
    config = {},
    clock = new ManualClock(),
  }: { config?: Readonly<Record<string, unknown>>; clock?: Clock } = {}) {
    this.#config = config
    this.clock = clock
    this.#streams = {
      produce: (stream: StreamDefinition<unknown>, options: unknown) => {
        this.opened.push(`produce ${stream.name} ${JSON.stringify(options)}`)
        return { stream }
      },
      consume: (stream: StreamDefinition<unknown>, options: unknown) => {
        this.opened.push(`consume ${stream.name} ${JSON.stringify(options)}`)
        return this.#consume(stream)
      },
    } as unknown as Streams
  }

  /** Binds the service without starting it. */
  bind(ctor: Class): Promise<BoundService> {
    return bindingOf(ctor).bind(this.#runtime())
  }

  async start(ctor: Class): Promise<BoundService> {
    const service = await this.bind(ctor)
    await service.start()
    return service
  }

  /** The other end of the consumer that was opened for the stream last. */
  consumer({ name }: { readonly name: string }): FakeConsumer {
    const consumer = this.#consumers.get(name)
    if (consumer === undefined) throw new Error(`nothing consumes ${name}`)
    return consumer
  }

  /** The group that was joined under that name last. */
  group(name: string): FakeGroup {
    const group = this.#groups.get(name)
    if (group === undefined) throw new Error(`nothing has joined ${name}`)
    return group
  }

  /** The instance behind a service. */
  static instance<T extends object>(service: BoundService, ctor: Class<T>): T {
    const { instance } = service as unknown as { readonly instance: object }
    if (!(instance instanceof ctor)) throw new Error(`no ${ctor.name}`)
    return instance
  }

  #consume(stream: StreamDefinition<unknown>): unknown {
    const mailbox = new Mailbox<unknown>({ capacity: 1000 })
    this.#consumers.set(stream.name, {
      push: (...datums) => {
        for (const datum of datums) if (!mailbox.post(datum)) throw new Error('the consumer is full')
      },
      end: () => mailbox.end(),
      get waitingCount() {
        return mailbox.length
      },
    })
    return {
      stream,
      tryRecv: () => mailbox.tryTake(),
      recv: (options?: { signal?: AbortSignal }) => mailbox.take(options),
      envelopes: async function* (options?: { signal?: AbortSignal }) {
        for (;;) {
          const datum = await mailbox.take(options)
          if (datum === undefined) return
          yield { datum }
        }
      },
      ack: () => undefined,
    }
  }

  #join(name: string, options: object): Group {
    const status = new Watch<GroupStatus>({
      id: digestOf(name),
      phase: 'joining',
      cause: undefined,
      role: 'follower',
      term: 0,
      leader: undefined,
      clusterId: undefined,
      committed: 0,
      durability: { acks: 0, voters: 0, isDurable: false },
    })
    const become = (changes: Partial<GroupStatus>): void => status.update((now) => ({ ...now, ...changes }))
    this.#groups.set(name, {
      options: options as Readonly<Record<string, unknown>>,
      become,
      end: (changes) => {
        become(changes)
        status.end()
      },
    })
    const closed = (options: ConditionOptions): Condition<GroupStatus> =>
      new Condition(status, ({ phase }) => phase === 'left' || phase === 'failed', options)
    return { id: digestOf(name), status, when: () => ({ closed }) } as unknown as Group
  }

  #runtime(): ServiceRuntime {
    return {
      node: { network: 'test', name: 'node', replica: 0, peerId: ZERO_DIGEST as string as PeerId, tags: [] },
      config: this.#config,
      streams: this.#streams,
      groups: { join: (name, options) => Promise.resolve(this.#join(name, options) as never) },
      logger: this.#logger(),
      random: seededRandom('fake node'),
      clock: this.clock,
      metrics: this.metrics,
      signal: this.#closing.signal,
      display: (text) => this.displayed.push(text),
      finish: (failure) => this.finished.push(failure),
    }
  }

  #logger(): Logger {
    const at = (level: string) => (message: string) => void this.logged.push(`${level}: ${message}`)
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: () => this.#logger(),
    }
  }
}

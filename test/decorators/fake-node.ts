// A node without a network, to run single services on.
import {
  ManualClock,
  Mailbox,
  MetricsRegistry,
  ZERO_DIGEST,
  type Clock,
  type Logger,
  type PeerId,
} from '#framework/primitives'
import type { StreamDefinition, Streams } from '#framework/streams'
import type { BoundService, ServiceRuntime } from '#framework/topology'
import { bindingOf, type Class } from '#decorators'

/** What a test can do with the other end of a consumer. */
export interface FakeConsumer {
  push(...datums: readonly unknown[]): void
  end(): void
  readonly waitingCount: number
}

export class FakeNode {
  readonly clock: Clock
  readonly metrics = new MetricsRegistry()
  readonly logged: string[] = []
  readonly displayed: string[] = []
  readonly opened: string[] = []
  readonly #closing = new AbortController()
  readonly #consumers = new Map<string, FakeConsumer>()
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

  #runtime(): ServiceRuntime {
    return {
      node: { network: 'test', name: 'node', replica: 0, peerId: ZERO_DIGEST as string as PeerId, tags: [] },
      config: this.#config,
      streams: this.#streams,
      logger: this.#logger(),
      clock: this.clock,
      metrics: this.metrics,
      signal: this.#closing.signal,
      display: (text) => this.displayed.push(text),
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

import { Mailbox } from './mailbox.js'

/** This subscriber was too slow and has missed that many events. */
export interface Lagged {
  readonly type: 'lagged'
  readonly missed: number
}

/** How an {@link EventHub} treats its subscribers. */
export interface EventHubOptions {
  /** How many events may wait for each subscriber; an integer of at least 1. */
  readonly backlog: number
  /** A subscriber has missed an event. */
  readonly onMissed?: () => void
}

/**
 * Hands events to any number of subscribers, each at its own pace and with a bounded backlog: a slow one loses the oldest
 * and is told how many.
 */
export class EventHub<E> {
  readonly #backlog: number
  readonly #onMissed: (() => void) | undefined
  /** Undefined while there were none: there are many hubs that nobody listens to. */
  #subscribers: Set<Mailbox<E>> | undefined
  #ended: { readonly cause: unknown } | undefined

  constructor({ backlog, onMissed }: EventHubOptions) {
    this.#backlog = backlog
    this.#onMissed = onMissed
  }

  emit(event: E): void {
    if (this.#subscribers === undefined) return
    for (const mailbox of this.#subscribers) {
      const before = mailbox.droppedCount
      mailbox.post(event)
      if (mailbox.droppedCount > before) this.#onMissed?.()
    }
  }

  /**
   * The events from this call on, whenever the iteration starts. Leaving the loop unsubscribes. Over when the hub ends,
   * after the events that were waiting; throws the cause of the end when there is one.
   *
   * @throws The signal's reason, when it aborts.
   */
  subscribe(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<E | Lagged> {
    const mailbox = new Mailbox<E>({ capacity: this.#backlog, overflow: 'drop-oldest' })
    if (this.#ended) mailbox.end(this.#ended.cause)
    else (this.#subscribers ??= new Set()).add(mailbox)
    return this.#read(mailbox, options)
  }

  /** No more events. Idempotent. */
  end(cause?: unknown): void {
    if (this.#ended) return
    this.#ended = { cause }
    for (const mailbox of this.#subscribers ?? []) mailbox.end(cause)
    this.#subscribers = undefined
  }

  async *#read(
    mailbox: Mailbox<E>,
    options: { readonly signal?: AbortSignal },
  ): AsyncGenerator<E | Lagged, undefined> {
    let missed = 0
    try {
      for (;;) {
        const event = await mailbox.take(options)
        if (event === undefined) return
        if (mailbox.droppedCount > missed) {
          yield { type: 'lagged', missed: mailbox.droppedCount - missed }
          missed = mailbox.droppedCount
        }
        yield event
      }
    } finally {
      this.#subscribers?.delete(mailbox)
    }
  }
}

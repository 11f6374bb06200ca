import { CloseReasons, closeReason, type CloseReason, type ClosedBy } from './close-reason.js'

/**
 * - `opening`: OPEN and ACCEPT are not both through;
 * - `open`: frames flow;
 * - `failing`: the transport refused a write, and the other side's own reason may still be on its way in;
 * - `closing`: the reason is settled and being told; nothing more is received;
 * - `closed`: over, the stream is released.
 */
export type LinkPhase = 'opening' | 'open' | 'failing' | 'closing' | 'closed'

/** The reason a link ends for. Settled once: the first one wins. */
export interface LinkEnding {
  readonly reason: CloseReason
  readonly by: ClosedBy
}

/** Everything that can move a link from one phase to another. */
export type LinkEvent =
  /** Both sides have consented. */
  | { readonly type: 'opened' }
  /** The owner is done: what it sent goes first, what it did not receive is dropped. */
  | { readonly type: 'close'; readonly reason: CloseReason }
  /** The owner gives up at once. */
  | { readonly type: 'abort'; readonly reason: CloseReason }
  /** The other side broke the protocol or a deadline: we end the link, in words, but flush nothing. */
  | { readonly type: 'refuse'; readonly reason: CloseReason }
  /** The other side's CLOSE frame. */
  | { readonly type: 'close-received'; readonly reason: CloseReason }
  /** The read side is over, in good order or not. */
  | { readonly type: 'read-ended'; readonly clean: boolean; readonly detail: string }
  /** The transport refused a write, or the end of writing. */
  | { readonly type: 'write-failed' }
  /** Everything written is out and the write side is closed. */
  | { readonly type: 'write-ended' }
  /** The time for `failing` or `closing` is up. */
  | { readonly type: 'deadline' }

/** What the link has to do about an event, in this order. */
export type LinkAction =
  /** Forget frames that were received but not taken. */
  | { readonly do: 'drop-received' }
  /** Ignore what arrives from now on, but let it arrive; tell the one who waits to receive. */
  | { readonly do: 'stop-receiving' }
  /** Reject the sends that wait for room. */
  | { readonly do: 'reject-sends' }
  /** Start the clock that ends in a `deadline` event. */
  | { readonly do: 'start-deadline' }
  /** Send CLOSE behind what still waits, then end the write side. */
  | { readonly do: 'say-close'; readonly reason: CloseReason }
  /** Send CLOSE if that needs no waiting. */
  | { readonly do: 'try-close'; readonly reason: CloseReason }
  /** Reset the stream. */
  | { readonly do: 'abort' }
  /** The link is over: tell everybody who waits. */
  | { readonly do: 'finish' }

const NOTHING: readonly LinkAction[] = Object.freeze([])

/**
 * The life of one end of a link: which event ends it, with which reason, and what is to be done. Pure: it waits for
 * nothing and touches nothing, so any sequence of events can be replayed.
 *
 * Invariants: the ending is settled at most once, together with the one `stop-receiving`; `say-close` or `try-close` happens at most once; `finish` happens
 * exactly once and last; every wait in `failing` and `closing` was preceded by `start-deadline`.
 */
export class LinkLifecycle {
  #phase: LinkPhase
  #ending: LinkEnding | undefined
  #readEnded = false
  #writeEnded = false

  constructor(phase: 'opening' | 'open') {
    this.#phase = phase
  }

  get phase(): LinkPhase {
    return this.#phase
  }

  /** Set from the moment the reason is settled: in every `closing` and `closed`. */
  get ending(): LinkEnding | undefined {
    return this.#ending
  }

  handle(event: LinkEvent): readonly LinkAction[] {
    switch (this.#phase) {
      case 'opening':
      case 'open':
        return this.#whileAlive(event)
      case 'failing':
        return this.#whileFailing(event)
      case 'closing':
        return this.#whileClosing(event)
      case 'closed':
        return NOTHING
    }
  }

  #whileAlive(event: LinkEvent): readonly LinkAction[] {
    switch (event.type) {
      case 'opened':
        this.#phase = 'open'
        return NOTHING
      case 'close':
        this.#settle('closing', event.reason, 'local')
        return [
          { do: 'drop-received' },
          { do: 'stop-receiving' },
          { do: 'start-deadline' },
          { do: 'say-close', reason: event.reason },
        ]
      case 'refuse':
        return this.#part(event.reason, 'local', event.reason)
      case 'close-received':
        return this.#part(event.reason, 'remote', CloseReasons.Success)
      case 'abort':
        this.#settle('closed', event.reason, 'local')
        return [
          { do: 'drop-received' },
          { do: 'stop-receiving' },
          { do: 'reject-sends' },
          { do: 'try-close', reason: event.reason },
          { do: 'abort' },
          { do: 'finish' },
        ]
      case 'read-ended': {
        const reason = closeReason(CloseReasons.UnexpectedClose, event.detail)
        this.#readEnded = true
        if (event.clean) return this.#part(reason, 'transport', reason)
        this.#settle('closed', reason, 'transport')
        return [{ do: 'stop-receiving' }, ...breakOff()]
      }
      case 'write-failed':
        this.#phase = 'failing'
        return [{ do: 'start-deadline' }]
      case 'write-ended':
      case 'deadline':
        return NOTHING
    }
  }

  #whileFailing(event: LinkEvent): readonly LinkAction[] {
    switch (event.type) {
      case 'close':
      case 'abort':
        this.#settle('closed', event.reason, 'local')
        return [{ do: 'drop-received' }, { do: 'stop-receiving' }, ...breakOff()]
      case 'refuse':
        this.#settle('closed', event.reason, 'local')
        return [{ do: 'stop-receiving' }, ...breakOff()]
      case 'close-received':
        this.#settle('closed', event.reason, 'remote')
        return [{ do: 'stop-receiving' }, ...breakOff()]
      case 'read-ended':
        this.#settle('closed', closeReason(CloseReasons.UnexpectedClose, event.detail), 'transport')
        return [{ do: 'stop-receiving' }, ...breakOff()]
      case 'deadline':
        this.#settle(
          'closed',
          closeReason(CloseReasons.UnexpectedClose, 'the transport no longer accepts data'),
          'transport',
        )
        return [{ do: 'stop-receiving' }, ...breakOff()]
      case 'opened':
      case 'write-failed':
      case 'write-ended':
        return NOTHING
    }
  }

  #whileClosing(event: LinkEvent): readonly LinkAction[] {
    switch (event.type) {
      case 'read-ended':
        if (!event.clean) return this.#breakOffClosing()
        this.#readEnded = true
        return this.#finishWhenBothEnded()
      case 'write-ended':
        this.#writeEnded = true
        return this.#finishWhenBothEnded()
      case 'write-failed':
      case 'abort':
      case 'deadline':
        return this.#breakOffClosing()
      case 'opened':
      case 'close':
      case 'refuse':
      case 'close-received':
        return NOTHING
    }
  }

  /** Ends the link in words but without flushing: the other side will not read on, or does not deserve it. */
  #part(reason: CloseReason, by: ClosedBy, said: CloseReason): readonly LinkAction[] {
    this.#settle('closing', reason, by)
    return [
      { do: 'stop-receiving' },
      { do: 'reject-sends' },
      { do: 'start-deadline' },
      { do: 'say-close', reason: said },
    ]
  }

  #breakOffClosing(): readonly LinkAction[] {
    this.#phase = 'closed'
    return breakOff()
  }

  #finishWhenBothEnded(): readonly LinkAction[] {
    if (!this.#readEnded || !this.#writeEnded) return NOTHING
    this.#phase = 'closed'
    return [{ do: 'finish' }]
  }

  #settle(phase: 'closing' | 'closed', reason: CloseReason, by: ClosedBy): void {
    this.#phase = phase
    this.#ending = { reason, by }
  }
}

function breakOff(): readonly LinkAction[] {
  return [{ do: 'reject-sends' }, { do: 'abort' }, { do: 'finish' }]
}

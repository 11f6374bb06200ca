import type { Clock, Timer } from '#framework/primitives'
import type { Index, Message } from '../raft/index.js'

/** How long a word may be held back at most, in milliseconds. */
export const holdMs = 5

type Append = Extract<Message, { type: 'append' }>

export interface CommitWordsOptions<B> {
  readonly clock: Pick<Clock, 'after'>
  readonly send: (to: B, message: Append) => void
}

/**
 * What a leader says when entries are committed, and there are no new ones to say it with. Who has submitted some of them
 * hears it at once, because a call waits for that. The others hear it with the next entries, or a little later: where
 * one command follows the other, that spares each of them every second message.
 */
export class CommitWords<B> {
  readonly #options: CommitWordsOptions<B>
  readonly #held = new Map<B, Append>()
  /** The last entry of those that somebody has submitted. */
  readonly #awaited = new Map<B, Index>()
  #timer: Timer | undefined

  constructor(options: CommitWordsOptions<B>) {
    this.#options = options
  }

  /** Somebody waits for everything up to this entry to be committed. */
  onSubmitted(by: B, lastIndex: Index): void {
    this.#awaited.set(by, lastIndex)
  }

  /** Sends what a leader appends, at once unless it is such a word and nobody waits for it. Takes the place of what is held back. */
  pass(to: B, message: Append): void {
    this.#held.delete(to)
    const awaited = this.#awaited.get(to)
    const isWord = message.entries.length === 0 && message.answer === 'none'
    if (isWord && awaited === undefined) return this.#hold(to, message)
    if (awaited !== undefined && awaited <= message.commitIndex) this.#awaited.delete(to)
    this.#options.send(to, message)
  }

  /** Says at once what is held back for somebody. */
  release(to: B): void {
    const message = this.#held.get(to)
    if (message === undefined) return
    this.#held.delete(to)
    this.#options.send(to, message)
  }

  releaseAll(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const to of this.#held.keys()) this.release(to)
  }

  /** Is not to be reached any more. */
  forget(to: B): void {
    this.#held.delete(to)
    this.#awaited.delete(to)
  }

  #hold(to: B, message: Append): void {
    this.#held.set(to, message)
    this.#timer ??= this.#options.clock.after(holdMs, () => this.releaseAll())
  }
}

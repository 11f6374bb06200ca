import type { Clock, Timer } from '#framework/primitives'
import type { Index, Message } from '../raft/index.js'

/** How long an append may be held back at most, in milliseconds. */
export const holdMs = 5

/** More than that is not held back for one member: so many entries, and bytes of payload. */
export const heldEntriesMax = 64
const heldBytesMax = 16 * 1024

type Append = Extract<Message, { type: 'append' }>

export interface HeldAppendsOptions<B> {
  readonly clock: Pick<Clock, 'after'>
  readonly send: (to: B, message: Append) => void
}

/**
 * What a leader says of what is committed already: that it is, and the entries themselves to who is not needed to commit
 * them. Who has submitted some of them hears it at once, because a call waits for that. The others hear it with what comes next, or
 * a little later: where one command follows the other, several of them share a message.
 */
export class HeldAppends<B> {
  readonly #options: HeldAppendsOptions<B>
  readonly #held = new Map<B, Append>()
  /** The last entry of those that somebody has submitted. */
  readonly #awaited = new Map<B, Index>()
  #timer: Timer | undefined

  constructor(options: HeldAppendsOptions<B>) {
    this.#options = options
  }

  /** Somebody waits for everything up to this entry to be committed. */
  onSubmitted(by: B, lastIndex: Index): void {
    this.#awaited.set(by, lastIndex)
  }

  /** Sends what a leader appends, with what is held back, at once unless nobody waits for it. */
  pass(to: B, message: Append): void {
    const joined = this.#join(to, message)
    const awaited = this.#awaited.get(to)
    if (awaited === undefined && mayWait(joined)) return this.#hold(to, joined)
    if (awaited !== undefined && awaited <= message.commitIndex) this.#awaited.delete(to)
    this.#options.send(to, joined)
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

  /** What is held back and what is to be said now, in one. What does not go together leaves before. */
  #join(to: B, message: Append): Append {
    const held = this.#held.get(to)
    if (held === undefined) return message
    const isNews = held.term === message.term && held.entries.length > 0
    if (isNews && !follows(held, message)) {
      this.release(to)
      return message
    }
    this.#held.delete(to)
    if (!isNews) return message
    const { prevIndex, prevTerm, prevHash } = held
    return { ...message, prevIndex, prevTerm, prevHash, entries: [...held.entries, ...message.entries] }
  }

  #hold(to: B, message: Append): void {
    this.#held.set(to, message)
    this.#timer ??= this.#options.clock.after(holdMs, () => this.releaseAll())
  }
}

/** Whether nobody waits for it to be answered, nor for any of its entries to be written. */
function mayWait(message: Append): boolean {
  return message.answer === 'none' && endOf(message) <= message.commitIndex && isLittle(message.entries)
}

/** Whether what is said by both can be said in one: entries right behind those before, or nothing but what is committed. */
function follows(held: Append, message: Append): boolean {
  if (message.entries.length === 0) return message.answer === 'none'
  return message.prevIndex === endOf(held) && isLittle(message.entries)
}

function endOf({ prevIndex, entries }: Append): Index {
  return prevIndex + entries.length
}

function isLittle(entries: Append['entries']): boolean {
  let bytes = 0
  for (const { payload } of entries) bytes += payload.byteLength
  return entries.length < heldEntriesMax && bytes < heldBytesMax
}

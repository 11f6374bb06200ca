import { invariant } from '#framework/primitives'
import type { AnswerWish, Envelope, Message } from './messages.js'
import type { Progress } from './progress.js'
import type { Replica } from './replica.js'
import type { Rounds } from './rounds.js'
import type { Settings } from './settings.js'
import type { Entry, Index, MemberId } from './types.js'

const NOTHING: readonly Entry[] = Object.freeze([])

export interface AppendSenderOptions {
  readonly settings: Settings
  readonly replica: Replica
  readonly rounds: Rounds
  readonly send: (message: Message) => void
  readonly envelope: (to: MemberId) => Envelope
}

/** How a leader's log gets to another member: in appends, one behind the other (Raft, §5.3; Ongaro 2014, §10.2.1). */
export class AppendSender {
  readonly #options: AppendSenderOptions

  constructor(options: AppendSenderOptions) {
    this.#options = options
  }

  /** Has a member answer the latest round. */
  ask(progress: Progress, answer: 'at-once' | 'quiesce'): void {
    if (this.#mustSync(progress)) this.#sendSyncRequired(progress)
    else this.sendCommitIndex(progress, answer)
  }

  /**
   * Sends what there is room for on the way, and word of what is committed.
   *
   * @param end The last entry to send.
   */
  sendPending(progress: Progress, end: Index): void {
    const { settings, replica, rounds } = this.#options
    const { limits } = settings
    const { log, commitIndex } = replica
    while (progress.canSend(limits)) {
      if (this.#mustSync(progress)) {
        this.#sendSyncRequired(progress)
        return
      }
      const from = progress.nextIndex
      if (from > end && progress.state === 'replicate') break
      const count = Math.min(end - from + 1, limits.appendEntriesMax)
      const entries = count < 1 ? NOTHING : log.slice(from, count, limits.appendBytesMax)
      let bytes = 0
      for (const entry of entries) bytes += entry.payload.byteLength
      const isAsked = progress.needsAnswer(bytes, limits)
      this.#sendAppend(progress, from - 1, entries, isAsked ? 'when-durable' : 'none')
      progress.onSent(from - 1 + entries.length, bytes, rounds.nowTick, isAsked)
    }
    if (progress.state === 'replicate' && progress.commitIndexSent < commitIndex)
      this.sendCommitIndex(progress, 'none')
  }

  /** Without entries, in front of what may still be on its way: it is right in whatever order they arrive. */
  sendCommitIndex(progress: Progress, answer: AnswerWish): void {
    const { base } = this.#options.replica.log
    const prevIndex =
      progress.state === 'probe' ? progress.nextIndex - 1 : Math.max(progress.matchIndex, base.index)
    if (prevIndex >= base.index) this.#sendAppend(progress, prevIndex, NOTHING, answer)
  }

  #mustSync(progress: Progress): boolean {
    if (progress.state === 'sync') return true
    return progress.nextIndex <= this.#options.replica.log.base.index
  }

  #sendAppend(progress: Progress, prevIndex: Index, entries: readonly Entry[], answer: AnswerWish): void {
    const { replica, rounds, send, envelope } = this.#options
    const { log, commitIndex } = replica
    const previous = log.positionAt(prevIndex)
    invariant(previous !== undefined, `entry ${prevIndex} is not there to be compared`)
    progress.commitIndexSent = commitIndex
    send({
      ...envelope(progress.member),
      type: 'append',
      prevIndex,
      prevTerm: previous.term,
      prevHash: previous.hash,
      entries,
      commitIndex,
      round: rounds.latest,
      roundTick: rounds.beganTick,
      answer,
    })
  }

  #sendSyncRequired(progress: Progress): void {
    const { replica, rounds, send, envelope } = this.#options
    const { log, commitIndex } = replica
    progress.becomeSync()
    progress.onSent(0, 0, rounds.nowTick, true)
    send({
      ...envelope(progress.member),
      type: 'sync-required',
      firstIndex: log.firstIndex,
      commitIndex,
      round: rounds.latest,
      roundTick: rounds.beganTick,
    })
  }
}

import type { MemberId } from './types.js'

/** Leadership on its way to another member (Ongaro 2014, §3.10): first it must have the whole log, then it is told. */
export class Transfer {
  #target: MemberId | undefined
  #deadlineTick = 0
  #isTold = false
  #hasToldAnyone = false

  /** Undefined when no transfer is under way. */
  get target(): MemberId | undefined {
    return this.#target
  }

  /** Whether the target was told to stand for election. */
  get isTold(): boolean {
    return this.#isTold
  }

  /** Whether anybody was told so in this term, whatever became of it. */
  get hasToldAnyone(): boolean {
    return this.#hasToldAnyone
  }

  begin(target: MemberId, deadlineTick: number): void {
    this.#target = target
    this.#deadlineTick = deadlineTick
    this.#isTold = false
  }

  onTold(): void {
    this.#isTold = true
    this.#hasToldAnyone = true
  }

  /** Ends a transfer that takes too long. Whose it was, if there was one. */
  takeAborted(nowTick: number): MemberId | undefined {
    if (this.#target === undefined || nowTick < this.#deadlineTick) return undefined
    const target = this.#target
    this.#target = undefined
    return target
  }
}

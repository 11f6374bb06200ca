import type { MemberId } from '../raft/index.js'

/**
 * What was appended since the leader last confirmed that its log is the same, and from whom. Entries that follow each other
 * need not be the leader's; when they turn out not to be, this says who is to blame.
 */
export class Doubts {
  readonly #from = new Set<MemberId>()
  #chunkCount = 0
  /** What has arrived next does not follow, and only the leader can tell whose fault that is. */
  isDisputed = false
  /** Somebody sends what is not the leader's log, and who it is will only be known if one at a time is asked. */
  isWary = false

  /** Chunks that were appended since the leader was asked. */
  get chunkCount(): number {
    return this.#chunkCount
  }

  onAppended(from: MemberId): void {
    this.#chunkCount++
    this.#from.add(from)
  }

  /** The leader has the same, up to somewhere. */
  onConfirmed(): void {
    this.#chunkCount = 0
  }

  has(member: MemberId): boolean {
    return this.#from.has(member)
  }

  hasOthersThan(member: MemberId): boolean {
    return [...this.#from].some((other) => other !== member)
  }

  /** The leader has something else. Who it must have been, if one alone can have been it; from now on it is one alone. */
  blame(): MemberId | undefined {
    const [member, ...others] = this.#from
    if (others.length === 0) return member
    this.isWary = true
    return undefined
  }

  /** All that was appended is the leader's, or will be appended anew. */
  settle(): void {
    this.isDisputed = false
    this.#chunkCount = 0
    this.#from.clear()
  }
}

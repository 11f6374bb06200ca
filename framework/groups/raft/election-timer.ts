import { drawElectionTimeout, type Settings } from './settings.js'

/** For how long a member has done without a leader, and for how long it does. In ticks. */
export class ElectionTimer {
  readonly #settings: Settings
  #timeout: number
  /** How much of the timeout has passed. */
  #elapsed = 0
  /** Since a leader was heard, whichever it was. */
  #sinceLeader: number
  /** The leader has said that it will say nothing, so that its silence says nothing either. */
  #isQuiescent = false

  /** @param mayHaveHeard Whether this member may have heard a leader right before it ended, and started again. */
  constructor(settings: Settings, mayHaveHeard: boolean) {
    this.#settings = settings
    this.#timeout = drawElectionTimeout(settings)
    this.#sinceLeader = mayHaveHeard ? 0 : Infinity
  }

  /** Whether it is time to stand for election. */
  get isOver(): boolean {
    return this.#elapsed >= this.#timeout
  }

  /** Whether there may be a leader that counts on not being replaced yet (Ongaro 2014, §4.2.3, §6.4.1). */
  get standsByLeader(): boolean {
    return this.#sinceLeader < this.#settings.electionTicks
  }

  get isQuiescent(): boolean {
    return this.#isQuiescent
  }

  /** Stands still until something happens. */
  quiesce(): void {
    this.#isQuiescent = true
  }

  /**
   * Goes on.
   *
   * @param silentTicks For how long it is known already that nothing came from the leader.
   * @returns Whether it stood still.
   */
  wake(silentTicks: number): boolean {
    if (!this.#isQuiescent || this.#settings.faults.followersNeverWake) return false
    this.#isQuiescent = false
    this.tick(silentTicks)
    return true
  }

  tick(count: number): void {
    if (this.#isQuiescent) return
    this.#elapsed += count
    this.#sinceLeader += count
  }

  /** Waits anew, and not for as long as before (Raft, §5.2). */
  restart(): void {
    this.#isQuiescent = false
    this.#elapsed = 0
    this.#timeout = drawElectionTimeout(this.#settings)
  }

  /** Waits for so many ticks more at most, unless a leader is heard or somebody gets this member's vote. */
  hurry(ticks: number): void {
    this.#elapsed = Math.max(this.#elapsed, this.#timeout - ticks)
  }

  /** Whoever got this member's vote has as long to win. */
  onVote(): void {
    this.#elapsed = 0
  }

  onLeader(): void {
    this.#isQuiescent = false
    this.#elapsed = 0
    this.#sinceLeader = 0
  }

  /** This member led, and is not bound to itself. */
  onLeadershipOver(): void {
    this.#sinceLeader = Infinity
  }
}

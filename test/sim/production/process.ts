import type { Timeline } from '../environment/timeline.js'

/** What came in while a process stood still: of timers, and of everything else. */
interface Backlog {
  readonly timers: (() => void)[]
  readonly events: (() => void)[]
}

/**
 * One run of a program on a host. What happens to it happens as an event of the timeline, one at a time, and no more when it
 * has been killed; while it stands still, everything waits.
 */
export class Process {
  readonly #timeline: Timeline
  readonly #onRun: (process: Process) => void
  #isAlive = true
  #backlog: Backlog | undefined
  readonly #deaths: ((isMachineUp: boolean) => void)[] = []

  /** @param onRun Told before something happens to the process. */
  constructor(timeline: Timeline, onRun: (process: Process) => void) {
    this.#timeline = timeline
    this.#onRun = onRun
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  get isPaused(): boolean {
    return this.#backlog !== undefined
  }

  /** Has something happen to it, in an event that is its own. */
  soon(run: () => void): void {
    this.after(0, 'events', run)
  }

  /** The same after a while of true time. */
  after(delayMs: number, kind: keyof Backlog, run: () => void): void {
    this.#timeline.after(delayMs, () => this.#run(kind, run))
  }

  onKilled(run: (isMachineUp: boolean) => void): void {
    this.#deaths.push(run)
  }

  /** @param isMachineUp Whether the operating system goes on, and closes what was open. */
  kill(isMachineUp: boolean): void {
    this.#isAlive = false
    this.#backlog = undefined
    for (const run of this.#deaths) run(isMachineUp)
  }

  pause(): void {
    if (this.#isAlive) this.#backlog ??= { timers: [], events: [] }
  }

  /**
   * @param first What is looked at first. A program that was stopped while it waited looks at its timers; one that was stopped
   *   while it dealt with what had arrived goes on with that.
   */
  resume(first: keyof Backlog): void {
    const backlog = this.#backlog
    this.#backlog = undefined
    if (!backlog) return
    const { timers, events } = backlog
    for (const run of first === 'timers' ? timers : events) this.after(0, first, run)
    const second = first === 'timers' ? 'events' : 'timers'
    for (const run of first === 'timers' ? events : timers) this.after(0, second, run)
  }

  #run(kind: keyof Backlog, run: () => void): void {
    if (!this.#isAlive) return
    if (this.#backlog) {
      this.#backlog[kind].push(run)
      return
    }
    this.#onRun(this)
    run()
  }
}

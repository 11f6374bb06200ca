// When a node process that ended is started again. Pure: time is passed in.

export interface RestartPolicyOptions {
  readonly firstDelayMs: number
  readonly delayMsMax: number
  /** A node that ran this long counts as healthy: its earlier exits are forgotten. */
  readonly healthyMs: number
  /** This many exits in a row without a healthy run are a crash loop. */
  readonly exitCountMax: number
}

export const defaultRestartPolicy: RestartPolicyOptions = {
  firstDelayMs: 250,
  delayMsMax: 8_000,
  healthyMs: 10_000,
  exitCountMax: 5,
}

export type RestartDecision =
  | { readonly type: 'restart'; readonly delayMs: number }
  | { readonly type: 'give-up'; readonly exitCount: number }

/** One per replica. */
export class RestartPolicy {
  readonly #options: RestartPolicyOptions
  #exitCount = 0

  constructor(options: RestartPolicyOptions = defaultRestartPolicy) {
    this.#options = options
  }

  /** What to do about a process that ended after running for `ranMs`. */
  onExit(ranMs: number): RestartDecision {
    const { firstDelayMs, delayMsMax, healthyMs, exitCountMax } = this.#options
    if (ranMs >= healthyMs) this.#exitCount = 0
    this.#exitCount++
    if (this.#exitCount >= exitCountMax) return { type: 'give-up', exitCount: this.#exitCount }
    return { type: 'restart', delayMs: Math.min(delayMsMax, firstDelayMs * 2 ** (this.#exitCount - 1)) }
  }
}

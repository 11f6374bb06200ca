import type { Logger } from '#framework/primitives'
import type { NodeInfo } from '#framework/topology'

/** What a service is told about where it runs. */
export interface ServiceContext {
  /** In `onStart`: aborts when the service has to end. In `onStop`: aborts when the time to clean up is over. */
  readonly signal: AbortSignal
  readonly node: NodeInfo
  /** Says the service's name with every line. */
  readonly log: Logger
  /** Shows a text that replaces the one before, for a person who watches: a table, a progress. Any number of lines. */
  display(text: string): void
  /**
   * Says that what the network was started for is done, and did not succeed if there is a `failure`, a text that says why.
   * `mosaik up` then stops all of its nodes and ends with exit code 0, or 1; elsewhere it is logged, and nothing ends.
   */
  finish(failure?: string): void
}

/** A service that does something by itself, besides reacting to datums. */
export interface OnStart {
  /**
   * Called once, when the streams are open and before the first datum is handed to a consumer method. It may run for as
   * long as the service does; the node counts as started without waiting for it. Rejecting fails the service and its
   * node, except because the signal has aborted.
   */
  onStart(context: ServiceContext): void | Promise<void>
}

/** A service that has something to clean up. */
export interface OnStop {
  /**
   * Called once, after the signal that `onStart` got has aborted and `onStart` and the consumer methods have ended, or
   * were given three seconds to. Producers can still send. All of stopping takes at most five seconds, then the node goes
   * on without the service. What it throws is logged.
   */
  onStop(context: ServiceContext): void | Promise<void>
}

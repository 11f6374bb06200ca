import { Condition, type ReadonlyWatch } from '#framework/primitives'
import type { PeerEntry } from '#framework/discovery'
import type { SubscriptionStatus } from './subscription-status.js'

/** Which connected subscriptions are needed. */
export interface OnlineWhen {
  /** How many. Default 1; 0 is always met. */
  readonly min?: number
  /** Only those whose other end has all of these tags. */
  readonly tags?: readonly string[]
}

/** Which connected subscriptions a condition counts. */
export interface SubscribedOptions extends OnlineWhen {
  /** Only those whose other end passes. What it throws is for who asked, and for nobody else. */
  readonly where?: (peer: PeerEntry) => boolean
  /** Ends every wait on the condition. */
  readonly signal?: AbortSignal
}

/** What can be awaited of a producer or a consumer. Event-driven; nothing is polled. */
export interface StreamConditions {
  /** Met while `online`. */
  online(): Condition<boolean>
  /** Met while not `online`, and after the end. */
  offline(): Condition<boolean>
  /** Met while at least `min` (default 1) subscriptions are connected that have the tags and pass `where`. */
  subscribed(options?: SubscribedOptions): Condition<readonly SubscriptionStatus[]>
  /** Met while {@link subscribed} with the same options is not. */
  unsubscribed(options?: SubscribedOptions): Condition<readonly SubscriptionStatus[]>
  /**
   * Resolves when it is over, whoever has closed it; at once when it is already.
   *
   * @throws The signal's reason. Why it ended, when nobody has closed it.
   */
  closed(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
}

/** The conditions on what a producer or consumer shows of itself. */
export function streamConditions(
  what: string,
  online: ReadonlyWatch<boolean>,
  subscriptions: ReadonlyWatch<readonly SubscriptionStatus[]>,
): StreamConditions {
  const subscribed = (options: SubscribedOptions = {}): Condition<readonly SubscriptionStatus[]> => {
    const { signal, min = 1, tags = [] } = options
    const name = `${min} of the subscriptions of ${what}${tags.length > 0 ? ` with tags ${tags.join(', ')}` : ''} are connected`
    return new Condition(subscriptions, (statuses) => isSatisfied(options, statuses), {
      name,
      ...(signal !== undefined && { signal }),
    })
  }
  const isOnline = (): Condition<boolean> =>
    new Condition(online, (value) => value, { name: `${what} is online` })
  return {
    online: isOnline,
    offline: () => isOnline().not(),
    subscribed,
    unsubscribed: (options) => subscribed(options).not(),
    closed: ({ signal } = {}) => endOf(subscriptions, signal),
  }
}

function endOf(watch: ReadonlyWatch<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.reject(signal.reason)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => {
    unsubscribe()
    reject(signal?.reason)
  }
  const unsubscribe = watch.subscribe(
    () => undefined,
    (cause) => {
      signal?.removeEventListener('abort', onAbort)
      if (cause === undefined) resolve()
      else reject(cause)
    },
  )
  signal?.addEventListener('abort', onAbort)
  return promise
}

/** Whether enough of the subscriptions are connected to the right peers. */
export function isSatisfied(needed: SubscribedOptions, statuses: readonly SubscriptionStatus[]): boolean {
  const { min = 1, tags = [], where } = needed
  let count = 0
  for (const { state, peer } of statuses) {
    if (count >= min) break
    if (state !== 'connected') continue
    if (!tags.every((tag) => peer?.tags.includes(tag) ?? false)) continue
    if (where !== undefined && (peer === undefined || !where(peer))) continue
    count++
  }
  return count >= min
}

/** The long form of the `onlineWhen` option. */
export function onlineWhen(option: number | OnlineWhen | undefined, min: number): OnlineWhen {
  return typeof option === 'object' ? option : { min: option ?? min }
}

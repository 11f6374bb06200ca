import type { PeerId } from '#framework/primitives'
import type { SubscriptionStatus } from '../subscription-status.js'
import type { OutgoingSubscription } from './outgoing-subscription.js'

/** What was written to links, and what will never be. */
type Counts = OutgoingSubscription['counts']

/** The name under which a producer knows a consumer: of two subscriptions with the same one, only the later is served. */
export function consumerKey(consumer: PeerId, subscriber: string): string {
  return `${consumer} ${subscriber}`
}

/** The consumers that a producer serves, in the order in which they came, and what all that it ever served were sent. */
export class ServedConsumers implements Iterable<OutgoingSubscription> {
  readonly #byKey = new Map<string, OutgoingSubscription>()
  /** Of those that are not served any more. */
  #gone: Counts = { datums: 0, bytes: 0, dropped: 0 }

  get size(): number {
    return this.#byKey.size
  }

  [Symbol.iterator](): Iterator<OutgoingSubscription> {
    return this.#byKey.values()
  }

  get(key: string): OutgoingSubscription | undefined {
    return this.#byKey.get(key)
  }

  /** Whether it is this subscription that its consumer is served with. */
  has(subscription: OutgoingSubscription): boolean {
    return this.#byKey.get(keyOf(subscription)) === subscription
  }

  add(subscription: OutgoingSubscription): void {
    this.#byKey.set(keyOf(subscription), subscription)
  }

  /** Must have been one of these. What it counts until {@link countGone} is missing from {@link total}. */
  delete(subscription: OutgoingSubscription): void {
    this.#byKey.delete(keyOf(subscription))
  }

  /** What a subscription had counted when it was over. */
  countGone({ datums, bytes, dropped }: Counts): void {
    const gone = this.#gone
    this.#gone = {
      datums: gone.datums + datums,
      bytes: gone.bytes + bytes,
      dropped: gone.dropped + dropped,
    }
  }

  /** Over all subscriptions there ever were. */
  total(counter: keyof Counts): number {
    let total = this.#gone[counter]
    for (const { counts } of this) total += counts[counter]
    return total
  }

  statuses(): readonly SubscriptionStatus[] {
    return Array.from(this, (subscription) => subscription.status())
  }
}

function keyOf({ consumer, subscriber }: OutgoingSubscription): string {
  return consumerKey(consumer, subscriber)
}

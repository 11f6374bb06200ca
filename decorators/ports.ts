import type {
  Consumer as ConsumerHandle,
  ConsumerOptions,
  Producer as ProducerHandle,
  ProducerOptions,
  StreamDefinition,
} from '#framework/streams'
import { placementOf, type DecoratorArguments, type Placement } from './placement.js'
import { recordAt, type HandlerOptions, type PortRecord } from './records.js'

/** The handle that a member with `@Producer` holds. */
export type Producer<T> = ProducerHandle<T>
/** The handle that a property with `@Consumer` holds. */
export type Consumer<T> = ConsumerHandle<T>

/** `K` when a property of type `F` can hold a producer of `T`: everything the service may send must be a `T`. */
type ProducerKey<F, T, K> = [F] extends [ProducerHandle<infer U>]
  ? [U] extends [T]
    ? K
    : 'the stream carries another datum than this producer'
  : '@Producer goes on a property of type Producer<…>'

/** `K` when a property of type `F` can hold a consumer of `T`: the service must be prepared for every `T`. */
type ConsumerKey<F, T, K> = [F] extends [ConsumerHandle<infer U>]
  ? [T] extends [U]
    ? K
    : 'the stream carries another datum than this consumer'
  : '@Consumer goes on a method, or on a property of type Consumer<…>'

/** Goes on a property of type `Producer<T>`. */
export interface ProducerDecorator<T> {
  // Legacy decorators. A method has a third argument, which keeps the decorator off it.
  <This extends object, K extends keyof This>(
    target: This,
    key: K & ProducerKey<This[K], T, K>,
    none?: undefined,
  ): void
  // Standard decorators.
  <This, F>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, F> & { name: ProducerKey<F, T, string | symbol> },
  ): void
}

/** Goes on a method that takes a `T`, or on a property of type `Consumer<T>`. */
export interface ConsumerDecorator<T> {
  // Legacy decorators.
  <F extends (datum: T) => unknown>(
    target: object,
    key: PropertyKey,
    descriptor: TypedPropertyDescriptor<F>,
  ): void
  <This extends object, K extends keyof This>(
    target: This,
    key: K & ConsumerKey<This[K], T, K>,
    none?: undefined,
  ): void
  // Standard decorators.
  <This, F extends (this: This, datum: T) => unknown>(
    value: F,
    context: ClassMethodDecoratorContext<This, F>,
  ): void
  <This, F>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, F> & { name: ConsumerKey<F, T, string | symbol> },
  ): void
}

/**
 * Gives the property a handle to produce the stream with. The node announces that it produces the stream from the start.
 *
 * ```ts
 * @Producer(Fills) readonly fills!: Producer<Fill>
 * ```
 */
export function Producer<T>(
  definition: StreamDefinition<T>,
  options: ProducerOptions<NoInfer<T>> = {},
): ProducerDecorator<T> {
  return recorder((placement) => ({
    direction: 'produces',
    placement,
    definition: definition as StreamDefinition<unknown>,
    options: options as ProducerOptions,
  })) as ProducerDecorator<T>
}

/**
 * Consumes the stream. On a method: called once for each datum, and awaited; see {@link HandlerOptions} for order and
 * errors. On a property: a handle, for who wants to pull.
 *
 * ```ts
 * @Consumer(Orders) async onOrder(order: Order) { … }
 * @Consumer(Orders) readonly orders!: Consumer<Order>
 * ```
 */
export function Consumer<T>(
  definition: StreamDefinition<T>,
  options: ConsumerOptions<NoInfer<T>> & HandlerOptions = {},
): ConsumerDecorator<T> {
  return recorder((placement) => ({
    direction: 'consumes',
    placement,
    definition: definition as StreamDefinition<unknown>,
    options: options as ConsumerOptions & HandlerOptions,
  })) as ConsumerDecorator<T>
}

function recorder(record: (placement: Placement) => PortRecord): (...args: DecoratorArguments) => void {
  return (...args) => {
    const placement = placementOf(args)
    recordAt(placement.owner).ports.push(record(placement))
  }
}

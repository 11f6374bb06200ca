export { StreamAlreadyProducedError } from './producing/already-produced-error.js'
export { type OnlineWhen, type StreamConditions, type SubscribedOptions } from './conditions.js'
export {
  type BackoffPolicy,
  type Consumer,
  type ConsumerEvent,
  type ConsumerOptions,
  type ConsumerStats,
  type Envelope,
} from './consumer.js'
export { type Criteria } from './criteria/criteria.js'
export type { StreamDefaults } from './defaults.js'
export { stream, type StreamDefinition } from './definition.js'
export type { Requirements } from './eligibility/eligibility.js'
export {
  type AckOptions,
  type EgressOptions,
  type OverflowPolicy,
  type Producer,
  type ProducerOptions,
  type ProducerStats,
  type ReplayOptions,
  type UndeliveredCause,
} from './producer.js'
export { ProducerError, type ProducerErrorCode } from './producer-error.js'
export { schemaDifferences } from './schema/schema-diff.js'
export { Streams, type StreamsOptions } from './streams.js'
export { type SubscriptionState, type SubscriptionStatus } from './subscription-status.js'

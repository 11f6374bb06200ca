export { Backoff, type BackoffOptions } from './backoff.js'
export { concatBytes, encodeUtf8, equalBytes, fromHex, releaseMemory, toHex } from './bytes.js'
export { ManualClock, nextTurn, systemClock, type Clock, type Deadline, type Timer } from './clock.js'
export { CodecError, decode, encode, encodeShared } from './codec.js'
export { encodeArray, encodeMap } from './codec-parts.js'
export {
  ZERO_DIGEST,
  abbreviate,
  bytesOf,
  derive,
  digestFromHex,
  digestFromInteger,
  digestFromRaw,
  digestOf,
  digestOfBytes,
  digestOfParts,
  hashBytes,
  peerIdFromHex,
  peerIdFromRaw,
  randomDigest,
  rehash,
  shortId,
  type Digest,
  type GroupId,
  type NetworkId,
  type PeerId,
  type StreamId,
} from './digest.js'
export { durationPattern, parseDuration } from './duration.js'
export {
  EndedError,
  InvariantError,
  MosaikError,
  TimeoutError,
  codeOf,
  invariant,
  isAbortError,
  isMosaikError,
  messageOf,
  rethrowLater,
  type MosaikErrorOptions,
} from './errors.js'
export { EventHub, type EventHubOptions, type Lagged } from './event-hub.js'
export { silentLogger, type Logger } from './logger.js'
export { Mailbox, type MailboxOptions, type Overflow } from './mailbox.js'
export {
  DURATION_BUCKETS,
  MetricsRegistry,
  type Counter,
  type CounterHandle,
  type Gauge,
  type GaugeCollector,
  type Histogram,
  type HistogramHandle,
  type Labels,
  type MetricDefinition,
} from './metrics.js'
export { raceSignal } from './race-signal.js'
export { seededRandom, systemRandom, type Random } from './random.js'
export { Ring } from './ring.js'
export { suggest } from './suggest.js'
export { TaskScope, type TaskScopeOptions } from './task-scope.js'
export { TokenBucket, type TokenBucketOptions } from './token-bucket.js'
export { ComposedWatch } from './composed-watch.js'
export { Watch, type ReadonlyWatch } from './watch.js'
export { Condition, type ConditionOptions, type WaitOptions } from './when.js'

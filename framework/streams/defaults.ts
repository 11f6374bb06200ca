import type { ConsumerOptions } from './consumer.js'
import type { StreamDefinition } from './definition.js'
import { isAnythingRequired, type Requirements } from './eligibility/eligibility.js'
import type { ProducerOptions } from './producer.js'

/**
 * How a stream is produced and consumed unless whoever does it says otherwise; and what everybody must fulfil, whatever
 * they say.
 */
export interface StreamDefaults<T = unknown> {
  /** For `produce`. Each option that is given there counts instead. */
  readonly producer?: Omit<ProducerOptions<T>, keyof Requirements>
  /** For `consume`. Each option that is given there counts instead. */
  readonly consumer?: Omit<ConsumerOptions<T>, keyof Requirements | 'name'>
  /** What a consumer must fulfil to be served, in addition to what `produce` asks for. */
  readonly consumersMust?: Requirements
  /** What a producer must fulfil to be subscribed to, in addition to what `consume` asks for. */
  readonly producersMust?: Requirements
}

/** How a stream is produced, by its definition and by what `produce` was given. */
export function producerOptionsOf<T>(
  { defaults }: StreamDefinition<T>,
  given: ProducerOptions<T>,
): ProducerOptions<T> {
  // A definition's own defaults are for its own datums; see stream().
  const options = { ...(defaults.producer as ProducerOptions<T> | undefined), ...present(given) }
  return { ...options, ...bothOf(defaults.consumersMust, given) }
}

/** How a stream is consumed, by its definition and by what `consume` was given. */
export function consumerOptionsOf<T>(
  { defaults }: StreamDefinition<T>,
  given: ConsumerOptions<T>,
): ConsumerOptions<T> {
  const options = { ...(defaults.consumer as ConsumerOptions<T> | undefined), ...present(given) }
  return { ...options, ...bothOf(defaults.producersMust, given) }
}

/** Whether any option was given. One that is undefined was not. */
export function isEmpty(options: object): boolean {
  return Object.values(options).every((value) => value === undefined)
}

function present<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as O
}

/** What fulfils both; nothing where the first requires nothing, so that who asks for nothing pays for no judgement. */
function bothOf(ours: Requirements = {}, theirs: Requirements = {}): Requirements {
  if (!isAnythingRequired(ours)) return {}
  return {
    require: [ours.require ?? [], theirs.require ?? []].flat(),
    requireTicket: [ours.requireTicket ?? [], theirs.requireTicket ?? []].flat(),
    maxRttMs: Math.min(ours.maxRttMs ?? Infinity, theirs.maxRttMs ?? Infinity),
  }
}

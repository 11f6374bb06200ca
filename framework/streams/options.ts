import { MosaikError } from '#framework/primitives'
import { compileCriteria } from './criteria/compile-criteria.js'
import type { ConsumerOptions } from './consumer.js'
import type { StreamDefaults } from './defaults.js'
import type { Requirements } from './eligibility/eligibility.js'
import {
  fields,
  isBoolean,
  isCount,
  isFunction,
  isNumber,
  isObject,
  isOneOf,
  isText,
  listOf,
  must,
  oneOrMore,
  orInfinity,
  when,
  type Rule,
} from './option-rules.js'
import type { ProducerOptions } from './producer.js'

/** One rule for each: an option without one does not compile. */
type RulesOf<Options> = { readonly [K in keyof Required<Options>]: Rule }

const isAbove0 = isNumber({ above: 0 })

const onlineWhen = when(isObject, fields({ min: isCount(0), tags: listOf(isText) }), isCount(0))

const ticketValidator = must('a ticket validator, with class, signature and validate()', (value) => {
  if (!isObject(value)) return false
  const { class: ticketClass, signature, validate } = value
  return typeof ticketClass === 'string' && typeof signature === 'string' && typeof validate === 'function'
})

const requirements: RulesOf<Requirements> = {
  require: oneOrMore(isFunction),
  requireTicket: oneOrMore(ticketValidator),
  maxRttMs: orInfinity(isAbove0),
}

const producerDefaults: RulesOf<NonNullable<StreamDefaults['producer']>> = {
  overflow: isOneOf('block', 'drop-oldest', 'drop-newest', 'disconnect'),
  queue: isCount(1),
  queueBytes: isCount(1),
  stallTimeoutMs: orInfinity(isAbove0),
  maxConsumers: orInfinity(isCount(1)),
  onlineWhen,
  egress: fields({ bytesPerSecond: isAbove0, datumsPerSecond: isAbove0 }),
  replay: fields({ last: isCount(1), for: orInfinity(isAbove0), bytes: isCount(1) }),
  ack: when(isObject, fields({ holdMs: orInfinity(isNumber({ from: 0 })) }), isBoolean),
  undelivered: isFunction,
}

/** Throws by itself, with the place in the criteria: `STREAM_CRITERIA_INVALID`. */
const criteria: Rule = (value) => {
  compileCriteria(value)
  return undefined
}

const consumerDefaults: RulesOf<NonNullable<StreamDefaults['consumer']>> = {
  windowBytes: isCount(1),
  prefer: must(
    'a preference, as nearest() and prefer() make them',
    (value) => isObject(value) && typeof value.k === 'number' && isObject(value.hysteresis),
  ),
  local: isBoolean,
  criteria,
  start: isOneOf('oldest', 'newest'),
  ack: isOneOf('taken', 'manual'),
  onlineWhen,
  backoff: when(
    (value) => typeof value === 'function',
    isFunction,
    fields({
      initialMs: isAbove0,
      factor: isNumber({ from: 1 }),
      jitter: isNumber({ from: 0, to: 1 }),
      maxMs: isAbove0,
    }),
  ),
}

const nameCharsMax = 48

const producerOptions: RulesOf<ProducerOptions> = { ...producerDefaults, ...requirements }

const consumerOptions: RulesOf<ConsumerOptions> = {
  ...consumerDefaults,
  ...requirements,
  name: must(
    `text of 1 to ${nameCharsMax} characters`,
    (value) => typeof value === 'string' && value.length > 0 && value.length <= nameCharsMax,
  ),
}

const defaults: RulesOf<StreamDefaults> = {
  producer: fields(producerDefaults),
  consumer: fields(consumerDefaults),
  consumersMust: fields(requirements),
  producersMust: fields(requirements),
}

/** @throws MosaikError `STREAM_OPTION_INVALID` naming the first option that makes no sense. */
export function assertProducerOptions(stream: string, options: ProducerOptions): void {
  assertOptions(`producer of stream "${stream}"`, options, producerOptions)
}

/** @throws MosaikError `STREAM_OPTION_INVALID` naming the first option that makes no sense; `STREAM_CRITERIA_INVALID`. */
export function assertConsumerOptions(stream: string, options: ConsumerOptions): void {
  assertOptions(`consumer of stream "${stream}"`, options, consumerOptions)
}

/** @throws MosaikError `STREAM_OPTION_INVALID` naming the first option that makes no sense; `STREAM_CRITERIA_INVALID`. */
export function assertDefaults(stream: string, options: StreamDefaults): void {
  assertOptions(`definition of stream "${stream}"`, options, defaults)
}

function assertOptions(what: string, options: unknown, rules: Readonly<Record<string, Rule>>): void {
  const fault = fields(rules)(options)
  if (fault === undefined) return
  const option = fault.at.join('.')
  const place = option === '' ? 'what it was given as options' : `"${option}"`
  throw new MosaikError('STREAM_OPTION_INVALID', `${what}: ${place} ${fault.problem}`, {
    details: { option, value: fault.value },
  })
}

import { MosaikError } from '#framework/primitives'
import type { ConsumerOptions } from './consumer.js'
import type { OverflowPolicy, ProducerOptions } from './producer.js'

const overflowPolicies: readonly OverflowPolicy[] = ['block', 'drop-oldest', 'drop-newest', 'disconnect']

/** @throws MosaikError `STREAM_OPTION_INVALID` naming the first option that makes no sense. */
export function assertProducerOptions(stream: string, options: ProducerOptions): void {
  const { overflow = 'block', queue = 1, queueBytes = 1, maxConsumers = 1 } = options
  const check = checker(`producer of stream "${stream}"`)
  check('overflow', overflow, overflowPolicies.includes(overflow), `one of ${overflowPolicies.join(', ')}`)
  check('queue', queue, isCount(queue, 1), 'a whole number from 1')
  check('queueBytes', queueBytes, isCount(queueBytes, 1), 'a whole number from 1')
  check(
    'maxConsumers',
    maxConsumers,
    isCount(maxConsumers, 1) || maxConsumers === Infinity,
    'a whole number from 1',
  )
  checkOnlineWhen(check, options.onlineWhen)
}

/** @throws MosaikError `STREAM_OPTION_INVALID` naming the first option that makes no sense. */
export function assertConsumerOptions(stream: string, options: ConsumerOptions): void {
  const { windowBytes = 1 } = options
  const check = checker(`consumer of stream "${stream}"`)
  check('windowBytes', windowBytes, isCount(windowBytes, 1), 'a whole number from 1')
  checkOnlineWhen(check, options.onlineWhen)
}

type Check = (option: string, value: unknown, holds: boolean, expected: string) => void

function checker(what: string): Check {
  return (option, value, holds, expected) => {
    if (holds) return
    throw new MosaikError(
      'STREAM_OPTION_INVALID',
      `${what}: "${option}" is ${expected}, not ${String(value)}`,
      {
        details: { option, value },
      },
    )
  }
}

function checkOnlineWhen(check: Check, option: ProducerOptions['onlineWhen']): void {
  const min = typeof option === 'object' ? option.min : option
  check('onlineWhen', min, min === undefined || isCount(min, 0), 'a whole number from 0')
}

function isCount(value: number, min: number): boolean {
  return Number.isSafeInteger(value) && value >= min
}

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { nearest, prefer } from '#framework/discovery'
import { digestOf } from '#framework/primitives'
import {
  assertConsumerOptions,
  assertDefaults,
  assertProducerOptions,
} from '../../framework/streams/options.js'

const validator = { class: digestOf('c'), signature: digestOf('s'), validate: () => 'never' as const }

type Case = readonly [option: string, value: unknown, fault?: string]

const both: readonly Case[] = [
  ['require', 5],
  ['require', [() => true, 'no'], 'require.1'],
  ['requireTicket', () => 'never'],
  ['requireTicket', [validator, { ...validator, validate: undefined }], 'requireTicket.1'],
  ['requireTicket', null],
  ['maxRttMs', 0],
  ['maxRttMs', Number.NaN],
  ['maxRttMs', '5'],
  ['onlineWhen', Number.NaN],
  ['onlineWhen', -1],
  ['onlineWhen', { min: 0.5 }, 'onlineWhen.min'],
  ['onlineWhen', { tags: 'a' }, 'onlineWhen.tags'],
  ['onlineWhen', { tags: ['a', 1] }, 'onlineWhen.tags.1'],
  ['onlineWhen', { max: 3 }, 'onlineWhen.max'],
]

const ofProducers: readonly Case[] = [
  ['overflow', 'explode'],
  ['queue', 0],
  ['queue', 2 ** 60],
  ['queueBytes', 1.5],
  ['stallTimeoutMs', 0],
  ['maxConsumers', -1],
  ['maxConsumers', 0],
  ['egress', 100],
  ['egress', { bytesPerSecond: 0 }, 'egress.bytesPerSecond'],
  ['egress', { datumsPerSecond: -1 }, 'egress.datumsPerSecond'],
  ['egress', { bytes: 5 }, 'egress.bytes'],
  ['egress', { bytesPerSecond: Infinity }, 'egress.bytesPerSecond'],
  ['replay', true],
  ['replay', { last: 0 }, 'replay.last'],
  ['replay', { for: '1 h' }, 'replay.for'],
  ['replay', { bytes: -5 }, 'replay.bytes'],
  ['ack', 'manual'],
  ['ack', { holdMs: -1 }, 'ack.holdMs'],
  ['undelivered', 'log'],
]

const ofConsumers: readonly Case[] = [
  ['windowBytes', 0],
  ['prefer', 2],
  ['prefer', { k: 2 }],
  ['local', 'no'],
  ['start', 'middle'],
  ['ack', true],
  ['name', ''],
  ['name', 'n'.repeat(49)],
  ['backoff', 5],
  ['backoff', { initialMs: 0 }, 'backoff.initialMs'],
  ['backoff', { factor: 0.5 }, 'backoff.factor'],
  ['backoff', { jitter: 2 }, 'backoff.jitter'],
  ['backoff', { maxMs: -1 }, 'backoff.maxMs'],
  ['backoff', { maxMs: Infinity }, 'backoff.maxMs'],
  ['backoff', { multiplier: 2 }, 'backoff.multiplier'],
]

describe.each([
  ['producer', assertProducerOptions, [...both, ...ofProducers]],
  ['consumer', assertConsumerOptions, [...both, ...ofConsumers]],
] as const)('S-26: the options of a %s', (end, check, cases) => {
  test.each(cases)('%s: %j is refused by name', (option, value, fault = option) => {
    const run = (): void => check('prices', { [option]: value })
    expect(run).toThrow(
      expect.objectContaining({
        code: 'STREAM_OPTION_INVALID',
        message: expect.stringContaining(`${end} of stream "prices": "${fault}" is `),
        details: expect.objectContaining({ option: fault }),
      }),
    )
  })

  test('an option that there is not is refused, with the one that was meant', () => {
    expect(() => check('prices', { onlinewhen: 1 } as object)).toThrow(
      `${end} of stream "prices": "onlinewhen" is not an option: did you mean "onlineWhen"?`,
    )
  })

  test('what is no object at all is refused', () => {
    for (const options of [null, 5, 'block', []]) {
      expect(() => check('prices', options as object)).toThrow(
        expect.objectContaining({ code: 'STREAM_OPTION_INVALID' }),
      )
    }
  })

  test('an option that is undefined was not given', () => {
    check('prices', Object.fromEntries(cases.map(([option]) => [option, undefined])))
  })

  test('whatever it is given, it says what is wrong with it or accepts it', () => {
    const options = fc.dictionary(
      fc.constantFrom(...cases.map(([option]) => option), '__proto__', 'constructor'),
      fc.anything(),
    )
    fc.assert(
      fc.property(options, (given) => {
        try {
          check('prices', given)
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^STREAM_(OPTION|CRITERIA)_INVALID$/) })
        }
      }),
    )
  })
})

test('options that make sense are accepted', () => {
  const requirements = { require: [() => true], requireTicket: [validator], maxRttMs: Infinity }
  assertProducerOptions('prices', {})
  assertProducerOptions('prices', {
    ...requirements,
    overflow: 'disconnect',
    queue: 1,
    queueBytes: 1,
    stallTimeoutMs: Infinity,
    maxConsumers: Infinity,
    onlineWhen: { min: 0, tags: ['a'] },
    egress: { bytesPerSecond: 0.5, datumsPerSecond: 3 },
    replay: { last: 5, for: 1_000, bytes: 1 },
    ack: { holdMs: 0 },
    undelivered: () => {},
  })
  assertConsumerOptions('prices', {
    ...requirements,
    windowBytes: 1,
    prefer: nearest(2),
    local: false,
    start: 'newest',
    ack: 'manual',
    name: 'billing',
    onlineWhen: 0,
    backoff: { initialMs: 1, factor: 1, jitter: 0, maxMs: 1 },
  })
  assertConsumerOptions('prices', {
    require: () => true,
    requireTicket: validator,
    prefer: prefer({ zone: true }),
    backoff: () => ({ next: () => 1, reset: () => {} }),
  })
  assertDefaults('prices', { producer: {}, consumer: {}, consumersMust: requirements, producersMust: {} })
})

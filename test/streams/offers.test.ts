import { expect, test } from '@jest/globals'
import { digestOf } from '#framework/primitives'
import { isProducerOf } from '../../framework/streams/consuming/offers.js'
import { entryNamed } from '../discovery/ranking-support.js'
import { offerOf } from '../discovery/support.js'

test('given an entry, then its peer produces the streams it says it does, and not those that it consumes', () => {
  const entry = entryNamed('peer', { produces: [offerOf('a'), offerOf('b')], consumes: [offerOf('c')] })
  for (const time of ['first', 'second']) {
    const produced = ['a', 'b', 'c', 'd'].filter((name) => isProducerOf(entry, digestOf(name)))
    expect({ time, produced }).toEqual({ time, produced: ['a', 'b'] })
  }
  expect(isProducerOf({ ...entry, produces: [] }, digestOf('a'))).toBe(false)
})

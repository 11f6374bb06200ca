import { expect, test } from '@jest/globals'
import type { PeerId } from '#framework/primitives'
import { ProducerProgress } from '../../framework/streams/consuming/producer-progress.js'
import { ResumePoints } from '../../framework/streams/consuming/resume-points.js'

function progressOf(n: number, epoch = 'first'): ProducerProgress {
  return new ProducerProgress({ producer: peer(n), epoch, first: 0, acknowledging: 'never' })
}

function peer(n: number): PeerId {
  return `peer ${n}` as PeerId
}

test('given more producers than are remembered, then the one that was met longest ago is forgotten', () => {
  const points = new ResumePoints()
  for (let n = 0; n < 1024; n++) points.set(progressOf(n))
  points.set(progressOf(0, 'second'))
  points.set(progressOf(1024))
  expect(points.get(peer(1))).toBeUndefined()
  expect(points.get(peer(0))?.epoch).toBe('second')
  expect(points.get(peer(2))?.epoch).toBe('first')
})

test('given a producer that is subscribed to, then it is not forgotten, however many others there are', () => {
  const points = new ResumePoints()
  const subscribed = progressOf(0)
  const leave = subscribed.follow(() => undefined)
  points.set(subscribed)
  for (let n = 1; n <= 1024; n++) points.set(progressOf(n))
  expect(points.get(peer(0))).toBe(subscribed)
  expect(points.get(peer(1))).toBeUndefined()
  leave()
  points.set(progressOf(1025))
  expect(points.get(peer(0))).toBeUndefined()
})

import { expect, test } from '@jest/globals'
import type { PeerEntry } from '#framework/discovery'
import { digestOf, shortId, type PeerId } from '#framework/primitives'
import type { SubscriptionStatus } from '#framework/streams'
import { observedEdges, sameEdges } from '../../framework/topology/observed-edges.js'

const peer = (name: string): PeerId => digestOf(name) as string as PeerId
const [a, b, stranger] = [peer('a'), peer('b'), peer('stranger')]
const me = { node: 'a', replica: 0, peer: a }

/** What the catalog holds about b. */
const entryOfB = { node: { name: 'b', replica: 1 } } as PeerEntry

function subscription(
  name: string,
  producer: PeerId,
  consumer: PeerId,
  rest: Partial<SubscriptionStatus> = {},
): SubscriptionStatus {
  return {
    stream: digestOf(name),
    name,
    role: consumer === a ? 'consumer' : 'producer',
    producer,
    consumer,
    state: 'connected',
    peer: entryOfB,
    attempt: 1,
    datums: 0,
    bytes: 0,
    dropped: 0,
    ...rest,
  }
}

const observe = (...subscriptions: readonly SubscriptionStatus[]) => observedEdges(subscriptions, me)

test('connected subscriptions are edges between named nodes, sorted', () => {
  expect(observe(subscription('y', a, b), subscription('x', b, a))).toEqual([
    { stream: 'x', from: { node: 'b', replica: 1, peer: b }, to: me },
    { stream: 'y', from: me, to: { node: 'b', replica: 1, peer: b } },
  ])
})

test('subscriptions that are not connected are none', () => {
  expect(
    observe(subscription('x', a, b, { state: 'connecting' }), subscription('x', a, b, { state: 'closed' })),
  ).toEqual([])
})

test('both ends of a subscription, and several of one stream, are one edge', () => {
  expect(
    observe(subscription('x', a, a), subscription('x', a, a, { role: 'producer' }), subscription('x', a, a)),
  ).toHaveLength(1)
})

test('a peer that announces no node goes by its short id', () => {
  expect(observe(subscription('x', stranger, a, { peer: undefined }))[0]?.from).toEqual({
    node: shortId(stranger),
    replica: 0,
    peer: stranger,
  })
})

test('lists are the same when they say the same', () => {
  const edges = observe(subscription('x', a, b))
  expect(sameEdges(edges, observe(subscription('x', a, b)))).toBe(true)
  expect(sameEdges(edges, observe(subscription('x', b, a)))).toBe(false)
  expect(sameEdges(edges, [])).toBe(false)
  expect(sameEdges([], edges)).toBe(false)
})

import { expect, test } from '@jest/globals'
import { EventHub, type Lagged } from '#framework/primitives'

interface Event {
  readonly type: 'happened'
  readonly name: string
}

function event(name: string): Event {
  return { type: 'happened', name }
}

function hub(backlog = 3) {
  let missed = 0
  const events = new EventHub<Event>({ backlog, onMissed: () => missed++ })
  return { events, missed: () => missed }
}

async function collect(events: AsyncIterable<Event | Lagged>): Promise<(Event | Lagged)[]> {
  const all: (Event | Lagged)[] = []
  for await (const one of events) all.push(one)
  return all
}

const names = ['a', 'b', 'c', 'd', 'e']

test('given several subscribers, then each gets every event from its subscription on, in order', async () => {
  const { events } = hub(10)
  const early = events.subscribe()
  events.emit(event('a'))
  const late = events.subscribe()
  events.emit(event('b'))
  events.end()
  expect(await collect(early)).toEqual([event('a'), event('b')])
  expect(await collect(late)).toEqual([event('b')])
})

test('lagging event subscriber: given more events than its backlog, then it loses the oldest and is told how many', async () => {
  const { events, missed } = hub(3)
  const slow = events.subscribe()
  for (const name of names) events.emit(event(name))
  events.end()
  expect(await collect(slow)).toEqual([{ type: 'lagged', missed: 2 }, event('c'), event('d'), event('e')])
  expect(missed()).toBe(2)
})

test('given one slow subscriber, then the others miss nothing', async () => {
  const { events } = hub(3)
  events.subscribe()
  const quick = events.subscribe()[Symbol.asyncIterator]()
  for (const name of names) {
    events.emit(event(name))
    expect(await quick.next()).toEqual({ done: false, value: event(name) })
  }
})

test('given a subscriber that leaves its loop, then no more is kept for it', async () => {
  const { events, missed } = hub(1)
  const iterable = events.subscribe()
  events.emit(event('a'))
  for await (const _ of iterable) break
  for (const name of names) events.emit(event(name))
  expect(missed()).toBe(0)
})

test('given a signal that aborts, then the iteration throws its reason', async () => {
  const { events } = hub()
  const controller = new AbortController()
  const next = events.subscribe({ signal: controller.signal })[Symbol.asyncIterator]().next()
  controller.abort(new Error('enough'))
  await expect(next).rejects.toThrow('enough')
})

test('given an end with a cause, then subscribers get the waiting events and then the cause, later ones the cause', async () => {
  const { events } = hub()
  const iterator = events.subscribe()[Symbol.asyncIterator]()
  events.emit(event('a'))
  events.end(new Error('broken'))
  expect((await iterator.next()).value).toEqual(event('a'))
  await expect(iterator.next()).rejects.toThrow('broken')
  await expect(collect(events.subscribe())).rejects.toThrow('broken')
})

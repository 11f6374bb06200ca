import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Ring, nextTurn } from '#framework/primitives'

class Model {
  readonly items: number[] = []
  constructor(readonly capacity: number) {}
}

interface Command extends fc.Command<Model, Ring<number>> {}

const push = (item: number): Command => ({
  check: () => true,
  run: (model, ring) => {
    const fits = model.items.length < model.capacity
    if (fits) model.items.push(item)
    expect(ring.pushBack(item)).toBe(fits)
    expect(ring.length).toBe(model.items.length)
  },
  toString: () => `push ${item}`,
})
const pop: Command = {
  check: () => true,
  run: (model, ring) => {
    expect(ring.peekFront()).toBe(model.items[0])
    expect(ring.popFront()).toBe(model.items.shift())
    expect(ring.length).toBe(model.items.length)
  },
  toString: () => 'pop',
}
const clear: Command = {
  check: () => true,
  run: (model, ring) => {
    model.items.length = 0
    ring.clear()
    expect(ring.length).toBe(0)
  },
  toString: () => 'clear',
}

test('a ring behaves like an array of bounded length, whatever is done to it', () => {
  const commands = fc.commands(
    [
      fc.nat().map(push),
      fc.nat().map(push),
      fc.nat().map(push),
      fc.constant(pop),
      fc.constant(pop),
      fc.constant(clear),
    ],
    { maxCommands: 200, size: 'max' },
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), commands, (capacity, script) => {
      fc.modelRun(() => ({ model: new Model(capacity), real: new Ring<number>(capacity) }), script)
    }),
  )
})

test('a ring grows while it is wrapped around, and keeps the order', () => {
  const ring = new Ring<number>(2_000)
  const taken: (number | undefined)[] = []
  for (let i = 0; i < 3_000; i++) {
    ring.pushBack(i)
    if (i % 3 !== 0) taken.push(ring.popFront())
  }
  while (ring.length > 0) taken.push(ring.popFront())
  expect(taken).toEqual(Array.from({ length: 3_000 }, (_, i) => i))
})

test('a ring holds exactly its capacity, which need not be a power of two', () => {
  const ring = new Ring<number>(17)
  const accepted = Array.from({ length: 40 }, (_, i) => ring.pushBack(i))
  expect(accepted.filter(Boolean)).toHaveLength(17)
  expect([ring.length, ring.capacity, ring.peekFront()]).toEqual([17, 17, 0])
})

test('an item that was taken, or cleared away, is not kept alive by the ring', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const rings = [new Ring<object>(4), new Ring<object>(4)] as const
  const references = rings.map((ring) => {
    const item = { held: 'by the ring only' }
    ring.pushBack(item)
    return new WeakRef(item)
  })
  rings[0].popFront()
  rings[1].clear()
  // What a WeakRef was made for stays until the turn of the event loop is over.
  await nextTurn()
  collectGarbage()
  expect(references.map((reference) => reference.deref())).toEqual([undefined, undefined])
  expect(rings.map(({ length }) => length)).toEqual([0, 0])
})

test.each([0, -1, 1.5, NaN, Infinity])('a ring cannot have the capacity %p', (capacity) => {
  expect(() => new Ring(capacity)).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
})

import { expect, test } from '@jest/globals'
import { ComposedWatch, nextTurn } from '#framework/primitives'

function sumOf(parts: number[]) {
  let composedCount = 0
  const watch = new ComposedWatch(() => {
    composedCount++
    return parts.reduce((sum, part) => sum + part, 0)
  })
  const change = (index: number, part: number): void => {
    parts[index] = part
    watch.invalidate()
  }
  return { watch, change, composedCount: () => composedCount }
}

test('given parts that change, then the value is true at once, and made only when it is read', () => {
  const { watch, change, composedCount } = sumOf([1, 2])
  for (let n = 0; n < 100; n++) change(0, n)
  expect(composedCount()).toBe(0)
  expect([watch.value, watch.value]).toEqual([101, 101])
  expect(composedCount()).toBe(1)
})

test('given several changes in a turn, then followers are told once, the last of them', async () => {
  const { watch, change } = sumOf([1, 2])
  const told: number[] = []
  watch.subscribe((value) => told.push(value))
  change(0, 10)
  change(1, 20)
  expect(told).toEqual([])
  await nextTurn()
  expect(told).toEqual([30])
  change(0, 0)
  await nextTurn()
  expect(told).toEqual([30, 20])
})

test('given a change before somebody begins to follow, then it is no news to them, and to the others at once', async () => {
  const { watch, change } = sumOf([1, 2])
  const [told, toldLater]: number[][] = [[], []]
  watch.subscribe((value) => told!.push(value))
  change(0, 2)
  watch.subscribe((value) => toldLater!.push(value))
  await nextTurn()
  expect({ told, toldLater }).toEqual({ told: [4], toldLater: [] })
})

test('given somebody who no longer follows, then nothing is made for them', async () => {
  const { watch, change, composedCount } = sumOf([1])
  const unsubscribe = watch.subscribe(() => undefined)
  unsubscribe()
  unsubscribe()
  const before = composedCount()
  change(0, 2)
  await nextTurn()
  expect(composedCount()).toBe(before)
  watch.subscribe(() => undefined)
  change(0, 3)
  await nextTurn()
  expect(composedCount()).toBeGreaterThan(before + 1)
})

test('given several who follow, when the last has left, then the value that they were told is not kept', () => {
  const { watch, composedCount } = sumOf([1])
  const unsubscribes = [watch.subscribe(() => undefined), watch.subscribe(() => undefined)]
  unsubscribes[0]!()
  expect([watch.value, composedCount()]).toEqual([1, 1])
  unsubscribes[1]!()
  expect([watch.value, composedCount()]).toEqual([1, 2])
})

test('given one who begins to follow after the end, then it is told the end, and with which cause', async () => {
  const { watch } = sumOf([1])
  watch.subscribe(() => undefined)()
  watch.end('because')
  const told: unknown[] = []
  watch.subscribe(
    (value) => told.push(value),
    (cause) => told.push(cause),
  )
  await nextTurn()
  expect(told).toEqual(['because'])
  expect(watch.value).toBe(1)
})

test('given the end in the turn of a change, then followers are told the change, then the end, and no more', async () => {
  const { watch, change } = sumOf([1])
  const told: unknown[] = []
  watch.subscribe(
    (value) => told.push(value),
    () => told.push('end'),
  )
  change(0, 2)
  watch.end()
  watch.end()
  change(0, 3)
  await nextTurn()
  expect(told).toEqual([2, 'end'])
  expect(watch.ended).toBe(true)
  expect(watch.value).toBe(2)
})

test('given a loop over the changes, then it begins with the value now and goes on with the newest', async () => {
  const { watch, change } = sumOf([1])
  const seen: number[] = []
  change(0, 2)
  for await (const value of watch.changes()) {
    seen.push(value)
    if (value === 2) change(0, 3)
    else watch.end()
  }
  expect(seen).toEqual([2, 3])
})

test('given one that tells at once, then followers are told of each change, and nothing is made without them', () => {
  const parts = [1, 2]
  let composedCount = 0
  const watch = new ComposedWatch(() => {
    composedCount++
    return parts[0]! + parts[1]!
  }, 'at-once')
  const change = (part: number): void => {
    parts[0] = part
    watch.invalidate()
  }
  change(10)
  change(20)
  expect(composedCount).toBe(0)
  const told: number[] = []
  const unsubscribe = watch.subscribe((value) => told.push(value))
  change(30)
  change(40)
  expect(told).toEqual([32, 42])
  unsubscribe()
  change(50)
  watch.end()
  expect(told).toEqual([32, 42])
  expect([watch.value, watch.ended]).toEqual([52, true])
})

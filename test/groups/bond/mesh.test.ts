import { describe, expect, test } from '@jest/globals'
import type { PeerId } from '#framework/primitives'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import { BondTable, type MeshSnapshot } from '../../../framework/groups/bond/mesh.js'
import { within } from '../../support/eventually.js'

const bond = (digit: string): Bond => ({ peer: digit.repeat(64) as PeerId }) as Bond
const [a, b, c] = [bond('a'), bond('b'), bond('c')]

async function next(iterator: AsyncIterator<MeshSnapshot>): Promise<MeshSnapshot> {
  const { value } = await within(1_000, iterator.next())
  return value as MeshSnapshot
}

describe('the bonds of a group', () => {
  test('then they are in the order of peer ids, and at most one with each peer', () => {
    const table = new BondTable()
    for (const each of [c, a, b]) table.put(each)
    expect([...table]).toEqual([a, b, c])
    const other = bond('b')
    table.put(other)
    expect(table.size).toBe(3)
    expect(table.get(b.peer)).toBe(other)
    expect(table.remove(b)).toBe(false)
    expect(table.remove(other)).toBe(true)
    expect([table.has(b.peer), table.has(a.peer)]).toEqual([false, true])
  })

  test('a snapshot stays as it was', () => {
    const table = new BondTable()
    table.put(a)
    const { bonds } = table.snapshot
    table.put(b)
    expect([...bonds.keys()]).toEqual([a.peer])
  })

  test('W-A4: given a change that was seen, then it is not told again; the loop waits for the next one', async () => {
    const table = new BondTable()
    const changes = table.changes()[Symbol.asyncIterator]()
    table.put(a)
    expect((await next(changes)).bonds.size).toBe(1)
    let isTold = false
    const second = changes.next().then(() => (isTold = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isTold).toBe(false)
    table.put(b)
    await within(1_000, second)
  })

  test('W-A4: given a change between the call and the first read, or between two reads, then it is not missed', async () => {
    const table = new BondTable()
    const changes = table.changes()
    table.put(a)
    const iterator = changes[Symbol.asyncIterator]()
    expect((await next(iterator)).bonds.size).toBe(1)
    table.put(b)
    table.put(c)
    expect((await next(iterator)).bonds.size).toBe(3)
  })

  test('W-A4: given a cursor of what was seen, then whatever has changed since is told at once', async () => {
    const table = new BondTable()
    table.put(a)
    const { cursor } = table.snapshot
    table.put(b)
    const iterator = table.changes({ after: cursor })[Symbol.asyncIterator]()
    expect((await next(iterator)).cursor).toBe(cursor + 1)
  })

  test('given a group that is left, then the loop is over', async () => {
    const table = new BondTable()
    const iterator = table.changes()[Symbol.asyncIterator]()
    const over = iterator.next()
    table.end()
    expect(await within(1_000, over)).toMatchObject({ done: true })
  })
})

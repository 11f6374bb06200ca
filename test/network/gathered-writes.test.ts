import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { nextTurn } from '#framework/primitives'
import { GatheredWrites } from '../../framework/network/tls/gathered-writes.js'

const KIB = 1024

/** What was written, as text: memory that is written from is used again. */
function recorded(): { readonly writes: GatheredWrites; readonly written: string[] } {
  const written: string[] = []
  return { writes: new GatheredWrites((bytes) => written.push(bytes.toString('latin1'))), written }
}

test('given several pieces in one go, then they are written together when the code that adds them has ended', async () => {
  const { writes, written } = recorded()
  writes.add(Buffer.from('one,'))
  writes.add(Object.assign([Buffer.from('two,'), Buffer.from('three')], { byteLength: 9 }))
  expect([written, writes.byteLength]).toEqual([[], 13])
  await Promise.resolve()
  expect([written, writes.byteLength]).toEqual([['one,two,three'], 0])
})

test('given memory that is written into again, then what it held is written', async () => {
  const { writes, written } = recorded()
  const memory = Buffer.from('first,')
  writes.add(memory)
  memory.write('second')
  writes.add(memory)
  memory.fill(0)
  await Promise.resolve()
  expect(written).toEqual(['first,second'])
})

test('given two that gather in the same memory, then the one is written before the other begins, and each has its own', async () => {
  const [one, two] = [recorded(), recorded()]
  one.writes.add(Buffer.from('a'))
  two.writes.add(Buffer.from('b'))
  expect([one.written, two.written]).toEqual([['a'], []])
  one.writes.add(Buffer.from('c'))
  await Promise.resolve()
  expect([one.written, two.written]).toEqual([['a', 'c'], ['b']])
})

test('given more than there is room for, then it is written at once, behind what waits', () => {
  const { writes, written } = recorded()
  writes.add(Buffer.from('before,'))
  expect(writes.room).toBe(264 * KIB - 7)
  writes.add(Buffer.alloc(writes.room + 1, 'x'))
  expect(written.map(({ length }) => length)).toEqual([264 * KIB + 1])
  expect(written[0]!.slice(0, 9)).toBe('before,xx')
})

test('given what is to be forgotten, then nothing is written', async () => {
  const { writes, written } = recorded()
  writes.add(Buffer.from('never'))
  writes.clear()
  await nextTurn()
  expect(written).toEqual([])
})

test('property: whatever is added by whomever, in whatever turns, each one has written in order what it was given', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ who: fc.nat(2), byteLength: fc.nat(70 * KIB) }) },
    fc.constant('turn' as const),
    fc.record({ flush: fc.nat(2) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const all = [recorded(), recorded(), recorded()]
      const given = all.map(() => '')
      for (const [index, what] of steps.entries()) {
        if (what === 'turn') await Promise.resolve()
        else if ('flush' in what) all[what.flush]!.writes.flush()
        else {
          const text = String.fromCharCode(65 + index).repeat(what.byteLength)
          given[what.who] += text
          all[what.who]!.writes.add(Buffer.from(text))
        }
      }
      await Promise.resolve()
      expect(all.map(({ written }, who) => written.join('') === given[who])).toEqual([true, true, true])
    }),
    { numRuns: 50 },
  )
})

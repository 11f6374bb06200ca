// docs/limits.md says what the storage of groups does: each of its bounds is a number in the code.
import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'

/** Where the code has the numbers of a row, in the order of the row. */
const numbers: Readonly<Record<string, readonly (readonly [file: string, code: string])[]>> = {
  'writes of all groups that wait for the disk': [
    ['storage/lmdb/write-queue.ts', 'const PENDING_BYTES_MAX = 64 * 1024 * 1024'],
  ],
  'writes that are synced together': [
    ['storage/lmdb/journaled-environment.ts', 'const BATCH_BYTES_MAX = 1024 * 1024'],
  ],
  'files of the journal': [
    ['storage/lmdb/journaled-environment.ts', 'const SEGMENT_BYTES = 4 * 1024 * 1024'],
  ],
  'what is in the journal and not in LMDB': [
    ['storage/journal/checkpoint-policy.ts', 'const CHECKPOINT_BYTES = 4 * 1024 * 1024'],
    ['storage/journal/checkpoint-policy.ts', 'const CHECKPOINT_AGE_MS = 1_000'],
  ],
  'what is there at most': [
    ['storage/journal/checkpoint-policy.ts', 'const BACKLOG_BYTES_MAX = 16 * 1024 * 1024'],
  ],
  'changes that LMDB takes in one transaction': [
    ['storage/lmdb/journaled-environment.ts', 'const CHECKPOINT_SLICE_BYTES = 256 * 1024'],
  ],
  'pause before a checkpoint that has failed': [
    ['storage/lmdb/journaled-environment.ts', 'const CHECKPOINT_RETRY_MS = 1_000'],
  ],
  'free space when a write fails': [
    ['storage/lmdb/disk-failure.ts', 'const FREE_BYTES_MIN = 8 * 1024 * 1024'],
  ],
  'free space to open a storage': [['storage/lmdb/environment.ts', 'const OPENING_BYTES_MIN = 256 * 1024']],
  'entries of one read': [
    ['storage/lmdb/group-storage.ts', 'const READ_BYTES_MAX = 1024 * 1024'],
    ['storage/memory-storage.ts', 'const READ_BYTES_MAX = 1024 * 1024'],
  ],
  'piece of a snapshot': [['storage/lmdb/snapshot-chunks.ts', 'const CHUNK_BYTES = 256 * 1024']],
  'records that are removed at a time': [
    ['storage/lmdb/snapshot-chunks.ts', 'const REMOVALS_MAX = 1024'],
    ['storage/lmdb/recovery.ts', 'const REMOVALS_MAX = 1024'],
  ],
  'entries between two snapshots': [
    ['member/checkpoints.ts', 'const defaultEntriesBetween = 10_000'],
    ['member/checkpoints.ts', 'const bytesBetween = 16 * 1024 * 1024'],
  ],
  'pause before storage that fails is tried again': [
    ['worker/life.ts', 'const retry = { initialMs: 500, maxMs: 10_000 }'],
  ],
  'clusters that a log remembers to have been through': [['raft/lineage.ts', 'export const originsMax = 16']],
  'verdicts that a configuration has': [['raft/verdicts.ts', 'export const verdictsMax = 32']],
}

const units: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 * 1024, s: 1_000 }

/** What a person wrote, in bytes, milliseconds or as it is. */
function numbersOf(text: string): number[] {
  const found = text.matchAll(/(\d+(?: \d{3})*)(?: (KiB|MiB|ms|s)\b)?/g)
  return [...found].map(
    ([, digits = '', unit = '']) => Number(digits.replaceAll(' ', '')) * (units[unit] ?? 1),
  )
}

/** What the code has behind the first sign that begins a value. */
function valuesOf(code: string): number[] {
  const products = code.slice(code.indexOf('=')).matchAll(/\d[\d_]*(?: \* \d[\d_]*)*/g)
  return [...products].map(([product]) =>
    product.split(' * ').reduce((value, factor) => value * Number(factor.replaceAll('_', '')), 1),
  )
}

const [, section = ''] = readFileSync('docs/limits.md', 'utf8').split('\n## Storage of groups\n')
const rows = section
  .split('\n## ')[0]!
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(2)
  .map((line) => line.split('|').map((cell) => cell.trim()))

test('the page of limits, storage of groups: has every bound that is listed here, and no other', () => {
  expect(new Set(rows.map(([, name]) => name))).toEqual(new Set(Object.keys(numbers)))
})

test.each(rows)('the page of limits, storage of groups%s: %s is %s', (_, name = '', value = '') => {
  const places = numbers[name] ?? []
  for (const [file, code] of places) expect(readFileSync(`framework/groups/${file}`, 'utf8')).toContain(code)
  expect(new Set(numbersOf(value))).toEqual(new Set(places.flatMap(([, code]) => valuesOf(code))))
})

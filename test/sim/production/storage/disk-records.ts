import { concatBytes, decode, encode, encodeUtf8, type Random } from '#framework/primitives'
import { isCorrupt } from '../../../../framework/groups/storage/storage-error.js'
import {
  openRecord,
  placeOf,
  sealRecord,
} from '../../../../framework/groups/storage/records/checked-record.js'
import {
  entryRecordBytes,
  readEntryRecord,
  writeEntryRecord,
} from '../../../../framework/groups/storage/records/entry-record.js'
import { baseRecord, hardStateRecord } from '../../../../framework/groups/storage/records/state-records.js'
import type { Entry, Index, Verdict } from '../../../../framework/groups/raft/types.js'
import type { StorageWrite } from '../../../../framework/groups/storage/storage.js'
import type { Damage } from '../../environment/disk.js'
import type { DurableChange } from '../../group/watched-member.js'
import { LogImage } from './log-image.js'

/** What a disk holds: bytes, and for those who watch, what they mean when they have reached it. No storage looks at that. */
export interface DiskRecord {
  readonly bytes: Uint8Array
  readonly incarnation: string
  readonly changes: readonly DurableChange[]
}

/** What is in a file from one of its records on. */
type Content =
  /** The file begins: everything there is but the entries, which follow. */
  | { readonly type: 'image'; readonly incarnation: string; readonly image: LogImage }
  | { readonly type: 'write'; readonly write: StorageWrite }
  /** A piece of a snapshot that is not in force. Nothing of it outlives the process. */
  | { readonly type: 'piece'; readonly bytes: Uint8Array }

/** What a record looks like, before its checksum is put in front. */
interface Encoded {
  readonly type: Content['type']
  readonly incarnation?: string
  readonly gaveWay?: readonly Verdict[]
  readonly hardState?: Uint8Array
  readonly base?: Uint8Array
  readonly snapshot?: { readonly facts: Uint8Array; readonly number: number; readonly bytes: Uint8Array }
  readonly truncateFrom?: Index
  readonly entries?: readonly Uint8Array[]
  readonly bytes?: Uint8Array
}

/** Where a file that was damaged stops to be what was written. */
export interface ReadFile {
  readonly incarnation: string | undefined
  readonly image: LogImage
  /** How many records are whole. */
  readonly wholeCount: number
  /** `torn`: a record ends early, as after a crash; `corrupt`: one is not what was written. */
  readonly damage: 'torn' | 'corrupt' | undefined
}

const LENGTH_BYTES = 4
const place = placeOf(encodeUtf8('journal'))
const key = encodeUtf8('state')

/** What damage makes of bytes. The length in front is spared: whether a record is torn shows by it. */
export const bytesDamage: Damage<DiskRecord> = {
  tear: (record, random) => ({
    ...record,
    bytes: record.bytes.subarray(0, random.int(record.bytes.byteLength)),
  }),
  flipBit: (record, random: Random) => {
    const bytes = record.bytes.slice()
    const at = LENGTH_BYTES + random.int(bytes.byteLength - LENGTH_BYTES)
    bytes[at]! ^= 1 << random.int(8)
    return { ...record, bytes }
  },
}

/** How much of the disk a record takes. */
export function bytesOfRecord({ bytes }: DiskRecord): number {
  return bytes.byteLength
}

export function imageRecords(incarnation: string, image: LogImage): DiskRecord[] {
  const { hardState, base, snapshot, entries, gaveWay } = image
  const head = seal({
    type: 'image',
    incarnation,
    ...(gaveWay && { gaveWay }),
    hardState: hardStateRecord.seal(key, hardState),
    ...(base && { base: baseRecord.seal(key, base) }),
    ...(snapshot && {
      snapshot: {
        facts: baseRecord.seal(key, snapshot.facts),
        number: snapshot.number,
        bytes: snapshot.bytes,
      },
    }),
  })
  const changes: DurableChange[] = [
    { kind: 'hard-state', hardState },
    ...(snapshot ? [{ kind: 'checkpoint', snapshot, base: { index: base?.index ?? 0 } } as const] : []),
  ]
  return [
    { bytes: head, incarnation, changes },
    ...(entries.length > 0 ? [writeRecord(incarnation, { entries })] : []),
  ]
}

/** Of a write that puts no snapshot in force. */
export function writeRecord(incarnation: string, write: StorageWrite): DiskRecord {
  const { hardState, truncateFrom, entries = [] } = write
  const bytes = seal({
    type: 'write',
    ...(hardState && { hardState: hardStateRecord.seal(key, hardState) }),
    ...(truncateFrom !== undefined && { truncateFrom }),
    entries: entries.map(encodeEntry),
  })
  const changes: DurableChange[] = [
    ...(hardState ? [{ kind: 'hard-state', hardState } as const] : []),
    ...(truncateFrom === undefined ? [] : [{ kind: 'truncate', from: truncateFrom } as const]),
    ...entries.map((entry) => ({ kind: 'entry', entry }) as const),
  ]
  return { bytes, incarnation, changes }
}

export function pieceRecord(incarnation: string, piece: Uint8Array): DiskRecord {
  return { bytes: seal({ type: 'piece', bytes: piece }), incarnation, changes: [] }
}

/** Reads a file from its beginning until its end, or until something is not what was written. */
export function readFile(records: readonly DiskRecord[]): ReadFile {
  let incarnation: string | undefined
  let image = new LogImage()
  for (const [number, { bytes }] of records.entries()) {
    if (isTorn(bytes)) return { incarnation, image, wholeCount: number, damage: 'torn' }
    try {
      const content = open(bytes, number)
      if (content.type === 'image') ({ incarnation, image } = content)
      else if (content.type === 'write') image.apply(content.write, undefined)
    } catch (error) {
      if (!isCorrupt(error)) throw error
      return { incarnation, image, wholeCount: number, damage: 'corrupt' }
    }
  }
  return { incarnation, image, wholeCount: records.length, damage: undefined }
}

function seal(encoded: Encoded): Uint8Array {
  const sealed = sealRecord(place, encode(encoded))
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, sealed.byteLength)
  return concatBytes(length, sealed)
}

function isTorn(bytes: Uint8Array): boolean {
  if (bytes.byteLength < LENGTH_BYTES) return true
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return bytes.byteLength < LENGTH_BYTES + length
}

function open(bytes: Uint8Array, number: number): Content {
  const where = `record ${number}`
  const encoded = decode(openRecord(place, bytes.subarray(LENGTH_BYTES), where)) as Encoded
  const hardState = encoded.hardState && hardStateRecord.open(key, encoded.hardState)
  switch (encoded.type) {
    case 'piece':
      return { type: 'piece', bytes: encoded.bytes! }
    case 'write': {
      const entries = encoded.entries!.map((record) => readEntryRecord(place, record, where))
      return { type: 'write', write: { hardState, truncateFrom: encoded.truncateFrom, entries } }
    }
    case 'image': {
      const image = new LogImage(encoded.gaveWay)
      image.hardState = hardState!
      image.base = encoded.base && baseRecord.open(key, encoded.base)
      const { snapshot } = encoded
      image.snapshot = snapshot && { ...snapshot, facts: baseRecord.open(key, snapshot.facts) }
      return { type: 'image', incarnation: encoded.incarnation!, image }
    }
  }
}

function encodeEntry(entry: Entry): Uint8Array {
  const bytes = new Uint8Array(entryRecordBytes(entry))
  writeEntryRecord(place, entry, { bytes, view: new DataView(bytes.buffer), offset: 0 })
  return bytes
}

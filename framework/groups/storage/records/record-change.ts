/** One change of the stored records: a value for a key, or none any more. */
export interface RecordChange {
  readonly key: Uint8Array
  /** Must not be changed before the write has ended: it is written from where it is. Undefined removes the key. */
  readonly value: Uint8Array | undefined
}

/** What a record costs in memory besides its bytes, so that many small ones count too. */
const RECORD_OVERHEAD_BYTES = 64

/** What changes take up in memory, about. */
export function memoryBytesOf(changes: readonly RecordChange[]): number {
  let bytes = 0
  for (const { key, value } of changes)
    bytes += RECORD_OVERHEAD_BYTES + key.byteLength + (value?.byteLength ?? 0)
  return bytes
}

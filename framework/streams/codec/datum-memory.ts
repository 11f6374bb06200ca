import { releaseMemory } from '#framework/primitives'
import { FrameTexts, latin1TextOf } from './texts.js'

/** Byte strings up to this length are copied one byte after the other: a view for the copy would take longer than the copy. */
const shortBytes = 32
/** Byte strings up to this length lie within an object of the heap, which is quicker than any sharing. */
const heapBytes = 64
/** Byte strings beyond this length are worth memory of their own. */
const sharedBytesMax = 4 * 1024
/** How much memory byte strings share, and so how much one of them that is kept can keep with it. */
const sectionBytes = 16 * 1024

/** Where the byte strings and the texts of decoded datums lie. */
export interface DatumMemory {
  /** The same bytes, where nobody writes any more. */
  bytesOf(bytes: Uint8Array, start: number, end: number): Uint8Array
  /** The text of which these bytes are the code units. */
  latin1Of(bytes: Uint8Array, start: number, end: number): string
}

/** Each byte string and each text has memory of its own. */
export const separateMemory: DatumMemory = { bytesOf: copyOf, latin1Of: latin1TextOf }

/**
 * Where the byte strings and texts of one frame after the other lie. Making memory known to the collector of garbage takes longer
 * than copying a kilobyte: so byte strings that are neither short nor long are copied together, a section of the frame
 * at a time, and the one datum of a frame that has its memory to itself stays in it.
 */
export class FrameMemory implements DatumMemory {
  readonly #texts = new FrameTexts()
  /** A copy of a part of the frame that is being read; undefined when there is none yet. */
  #section: ArrayBuffer | undefined
  /** Where in the frame that part begins. */
  #sectionStart = 0
  /** The frame, if it has its memory to itself and nobody was given that. */
  #released: Uint8Array | undefined
  /** Whether the datum may have the frame. */
  #isGivenAway = false

  /** Datums of another frame follow. */
  open(frame: Uint8Array, datumCount: number): void {
    this.#released = frame.byteLength === frame.buffer.byteLength ? frame : undefined
    // What other datums are still to be read from must not be in anybody's hands.
    this.#isGivenAway = datumCount === 1 && this.#released !== undefined
  }

  /** All datums of the frame were read. */
  close(): void {
    this.#section = undefined
    this.#texts.close()
    if (this.#released !== undefined) releaseMemory(this.#released)
    this.#released = undefined
  }

  latin1Of(frame: Uint8Array, start: number, end: number): string {
    return this.#texts.textOf(frame, start, end)
  }

  bytesOf(frame: Uint8Array, start: number, end: number): Uint8Array {
    const byteLength = end - start
    if (this.#isGivenAway && 2 * byteLength >= frame.byteLength) {
      this.#released = undefined
      return new Uint8Array(frame.buffer, start, byteLength)
    }
    if (byteLength <= heapBytes || byteLength > sharedBytesMax) return copyOf(frame, start, end)
    let section = this.#section
    if (section === undefined || end - this.#sectionStart > section.byteLength) {
      section = copyOf(frame, start, Math.min(start + sectionBytes, frame.byteLength)).buffer
      this.#section = section
      this.#sectionStart = start
    }
    return new Uint8Array(section, start - this.#sectionStart, byteLength)
  }
}

function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - start)
  if (copy.byteLength > shortBytes) copy.set(bytes.subarray(start, end))
  else for (let index = 0; index < copy.byteLength; index++) copy[index] = bytes[start + index]!
  return copy
}

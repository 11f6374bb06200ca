// From bytes to text. What the runtime offers for this costs about as much for ten bytes as for a hundred, and several times
// as much where it has to look for characters of more than one byte: so that is looked for here, and what is next to each
// other is made into one text of which parts are taken.
import { isUtf8 } from 'node:buffer'

/** Texts up to this length are parts of a section; of longer ones the call into the runtime is the smaller part. */
const sharedBytesMax = 256
/** How long a section becomes, and so how much a text that is kept can keep with it. */
const sectionBytesMax = 1024
/** A section is made so many times as long as what was used of the one before. */
const sectionSurplus = 2
/** Texts up to this length are looked at here; beyond, the runtime looks at them faster. */
const scannedBytesMax = 4096
/** Texts from this length on are looked at four bytes at a time. */
const wordwiseBytesMin = 24

/** The runtime's ways from bytes to text, which its declarations leave out; they take any Uint8Array. */
const { latin1Slice, utf8Slice } = Buffer.prototype as unknown as Readonly<
  Record<'latin1Slice' | 'utf8Slice', (this: Uint8Array, start: number, end: number) => string>
>

/** The text of some bytes; undefined when they are not UTF-8. */
export function textOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  const isPlain = end - start < wordwiseBytesMin && isAscii(bytes, start, end)
  return isPlain ? latin1Slice.call(bytes, start, end) : utf8TextOf(bytes, start, end)
}

function utf8TextOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  const text = utf8Slice.call(bytes, start, end)
  // Malformed bytes become replacement characters, which can also be meant.
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)) ? undefined : text
}

/** The texts of one frame after the other. What was read stays as it is, whatever becomes of the frame. */
export class FrameTexts {
  #section: string | undefined
  /** Where in the frame the section begins. */
  #sectionStart = 0
  /** Where the text ends that was taken from it last. */
  #usedEnd = sectionBytesMax
  /** The frame's memory, four bytes at a time, if that was needed. */
  #words: Int32Array | undefined

  /** Lets go of the frame. */
  close(): void {
    this.#section = undefined
    this.#words = undefined
  }

  /** @returns undefined when the bytes are not UTF-8. */
  textOf(frame: Uint8Array, start: number, end: number): string | undefined {
    const byteLength = end - start
    if (byteLength === 0) return ''
    if (byteLength > scannedBytesMax || !this.#isAscii(frame, start, end))
      return utf8TextOf(frame, start, end)
    if (byteLength > sharedBytesMax) return latin1Slice.call(frame, start, end)
    let section = this.#section
    let offset = start - this.#sectionStart
    if (section === undefined || offset < 0 || offset + byteLength > section.length) {
      const sectionEnd = start + Math.max(byteLength, this.#nextSectionBytes())
      section = latin1Slice.call(frame, start, Math.min(sectionEnd, frame.length))
      this.#section = section
      this.#sectionStart = start
      offset = 0
    }
    this.#usedEnd = end
    return section.substring(offset, offset + byteLength)
  }

  /** Texts that lie between long bytes are not worth a copy of those: the last section says how close together they are. */
  #nextSectionBytes(): number {
    return Math.min(sectionSurplus * (this.#usedEnd - this.#sectionStart), sectionBytesMax)
  }

  #isAscii(frame: Uint8Array, start: number, end: number): boolean {
    if (end - start < wordwiseBytesMin) return isAscii(frame, start, end)
    const words = (this.#words ??= wordsOf(frame))
    const { byteOffset } = frame
    const firstWord = (byteOffset + start + 3) >> 2
    const endWord = (byteOffset + end) >> 2
    let seen = 0
    for (let word = firstWord; word < endWord; word++) seen |= words[word]!
    return (
      (seen & 0x80808080) === 0 &&
      isAscii(frame, start, 4 * firstWord - byteOffset) &&
      isAscii(frame, 4 * endWord - byteOffset, end)
    )
  }
}

function wordsOf({ buffer }: Uint8Array): Int32Array {
  return new Int32Array(buffer, 0, buffer.byteLength >> 2)
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0
  for (let index = start; index < end; index++) seen |= bytes[index]!
  return seen < 0x80
}

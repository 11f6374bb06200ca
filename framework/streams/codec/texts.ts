// From bytes to text. What the runtime offers for this costs about as much for ten bytes as for a hundred: so what is next to
// each other is made into one text of which parts are taken.
import { isUtf8 } from 'node:buffer'

/** Texts up to this length are parts of a section; of longer ones the call into the runtime is the smaller part. */
const sharedBytesMax = 256
/** How long a section becomes, and so how much a text that is kept can keep with it. */
const sectionBytesMax = 1024
/** A section is made so many times as long as what was used of the one before. */
const sectionSurplus = 2
/** V8 knows of most texts that they have nothing of this, and does not look then. */
const beyondLatin1 = /[^\0-\xff]/

/** The runtime's ways from bytes to text, which its declarations leave out; they take any Uint8Array. */
const { latin1Slice, utf8Slice } = Buffer.prototype as unknown as Readonly<
  Record<'latin1Slice' | 'utf8Slice', (this: Uint8Array, start: number, end: number) => string>
>

/** Whether each code unit of a text fits into a byte. */
export function isLatin1(text: string): boolean {
  return !beyondLatin1.test(text)
}

/** The text of which some bytes are the code units. */
export function latin1TextOf(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end)
}

/** The text of some bytes; undefined when they are not UTF-8. */
export function utf8TextOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  const text = utf8Slice.call(bytes, start, end)
  // Malformed bytes become replacement characters, which can also be meant.
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)) ? undefined : text
}

/** The Latin-1 texts of one frame after the other. What was read stays as it is, whatever becomes of the frame. */
export class FrameTexts {
  #section: string | undefined
  /** Where in the frame the section begins. */
  #sectionStart = 0
  /** Where the text ends that was taken from it last. */
  #usedEnd = sectionBytesMax

  /** Lets go of the frame. */
  close(): void {
    this.#section = undefined
  }

  textOf(frame: Uint8Array, start: number, end: number): string {
    const byteLength = end - start
    if (byteLength === 0) return ''
    if (byteLength > sharedBytesMax) return latin1TextOf(frame, start, end)
    let section = this.#section
    let offset = start - this.#sectionStart
    if (section === undefined || offset < 0 || offset + byteLength > section.length) {
      const sectionEnd = start + Math.max(byteLength, this.#nextSectionBytes())
      section = latin1TextOf(frame, start, Math.min(sectionEnd, frame.length))
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
}

/** A piece of a text: UTF-16 offsets, `end` not included. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A place as editors and compilers count it: both from 1, columns in UTF-16 units, a tab being one. */
export interface Position {
  readonly line: number
  readonly column: number
}

const byteOrderMark = '\uFEFF'

/** A file's text with an index of its lines. A byte order mark is no part of the text, and no column counts it. */
export class SourceText {
  readonly text: string
  readonly #lineStarts: number[] = [0]

  constructor(
    /** The file's name as messages show it. */
    readonly file: string,
    text: string,
  ) {
    this.text = text.startsWith(byteOrderMark) ? text.slice(1) : text
    for (let at = this.text.indexOf('\n'); at !== -1; at = this.text.indexOf('\n', at + 1)) {
      this.#lineStarts.push(at + 1)
    }
  }

  /** At least 1: a text that ends with a line break has an empty last line. */
  get lineCount(): number {
    return this.#lineStarts.length
  }

  /** Where an offset is. Offsets outside the text count as its nearest end. */
  position(offset: number): Position {
    const inside = Math.min(Math.max(offset, 0), this.text.length)
    let low = 0
    let high = this.#lineStarts.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#lineStart(middle) <= inside) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: inside - this.#lineStart(low) + 1 }
  }

  /** The reverse of {@link position}. Places outside the text count as the nearest one inside. */
  offset({ line, column }: Position): number {
    const index = Math.min(Math.max(line, 1), this.lineCount) - 1
    return Math.min(this.#lineStart(index) + Math.max(column, 1) - 1, this.text.length)
  }

  /** The offsets of a line (counted from 1) without its line break. */
  lineSpan(line: number): Span {
    const start = this.#lineStart(line - 1)
    const next = this.#lineStarts[line]
    if (next === undefined) return { start, end: this.text.length }
    return { start, end: this.text[next - 2] === '\r' && next - 2 >= start ? next - 2 : next - 1 }
  }

  slice({ start, end }: Span): string {
    return this.text.slice(start, end)
  }

  #lineStart(index: number): number {
    return this.#lineStarts[index] ?? this.text.length
  }
}

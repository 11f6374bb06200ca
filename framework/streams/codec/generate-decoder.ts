import type { CodeWriter } from './code-writer.js'
import type { Conditions } from './generate-conditions.js'
import { bytesMin, containersMax, type DatumLayout, type Layout } from './layout.js'

/**
 * Writes functions that read a value, and say whether it is accepted. The offset is a local of theirs, because a field of
 * the reader would be loaded and stored for each value; whatever else reads is told the offset before and asked after.
 */
export class DecoderWriter {
  readonly #code: CodeWriter
  readonly #conditions: Conditions
  readonly #layout: DatumLayout

  constructor(code: CodeWriter, conditions: Conditions, layout: DatumLayout) {
    this.#code = code
    this.#conditions = conditions
    this.#layout = layout
  }

  write(layout: Layout, name: string): void {
    this.#code.function(name, 'reader, depth', () => {
      this.#code.line('const { bytes, end, memory } = reader')
      this.#code.line('let offset = reader.offset')
      const value = this.#decode(layout, 0)
      this.#code.line('reader.offset = offset')
      this.#code.line(`return ${value}`)
    })
  }

  /** @returns An expression for the value that was read, without effects. */
  #decode(layout: Layout, containers: number): string {
    switch (layout.kind) {
      case 'text': {
        const text = this.#text()
        this.#refuseUnless(this.#conditions.ofText(layout, text))
        return text
      }
      case 'number': {
        this.#code.line('if (end - offset < 8) throw endsEarly()')
        const number = this.#code.local('numberAt(bytes, offset)')
        this.#code.line('offset += 8')
        this.#refuseUnless(this.#conditions.ofNumber(layout, number))
        return number
      }
      case 'integer': {
        const integer = layout.isSigned ? this.#signed() : this.#varint()
        this.#refuseUnless(this.#conditions.ofBounds(layout, integer))
        return integer
      }
      case 'date':
        return this.#delegate('reader.date()')
      case 'bigint':
        return this.#delegate('reader.bigint()')
      case 'bytes':
        return this.#slice('memory.bytesOf')
      case 'choice': {
        const { values } = layout
        const { length } = values
        if (length === 1) return JSON.stringify(values[0])
        const place = length <= 256 ? this.#place(length) : this.#delegate(`reader.widePlace(${length})`)
        return this.#code.local(`${this.#code.constant(values)}[${place}]`)
      }
      case 'array': {
        const length = this.#delegate(`reader.count(${this.#bytesMin(layout.element)})`)
        this.#refuseUnless(this.#conditions.ofLength(layout, length))
        this.#refuseDepth(containers, `${length} > 0`)
        const array = this.#code.local('[]')
        const index = this.#code.name()
        this.#code.line(`for (let ${index} = 0; ${index} < ${length}; ${index}++) {`)
        this.#code.line(`${array}.push(${this.#decode(layout.element, containers + 1)})`)
        this.#code.line('}')
        return array
      }
      case 'tuple':
        if (layout.elements.length > 0) this.#refuseDepth(containers)
        return this.#code.local(
          `[${layout.elements.map((element) => this.#decode(element, containers + 1)).join(', ')}]`,
        )
      case 'object':
        return this.#decodeObject(layout, containers)
      case 'record':
        return this.#decodeRecord(layout, containers)
      case 'union': {
        const value = this.#code.name()
        this.#code.line(`let ${value}`)
        this.#code.line(`switch (${this.#place(layout.members.length)}) {`)
        layout.members.forEach((member, index) => {
          this.#code.line(`case ${index}: {`)
          this.#code.line(`${value} = ${this.#decode(member, containers)}`)
          this.#code.line('break\n}')
        })
        this.#code.line('}')
        return value
      }
      case 'recursion':
        return this.#delegate(`decode${layout.part}(reader, depth + ${containers})`)
    }
  }

  #decodeObject(layout: Extract<Layout, { kind: 'object' }>, containers: number): string {
    const { required, optional } = layout
    if (required.length + optional.length > 0) this.#refuseDepth(containers)
    const presence: string[] = []
    for (let first = 0; first < optional.length; first += 8) {
      presence.push(this.#place(1 << Math.min(8, optional.length - first)))
    }
    const members = required.map(
      ({ name, layout: member }) => `${JSON.stringify(name)}: ${this.#decode(member, containers + 1)}`,
    )
    const object = this.#code.local(`{ ${members.join(', ')} }`)
    optional.forEach((field, index) => {
      this.#code.line(`if ((${presence[index >> 3]} & ${1 << (index & 7)}) !== 0) {`)
      const member = this.#decode(field.layout, containers + 1)
      this.#code.line(`${object}[${JSON.stringify(field.name)}] = ${member}`)
      this.#code.line('}')
    })
    return object
  }

  #decodeRecord(layout: Extract<Layout, { kind: 'record' }>, containers: number): string {
    const count = this.#delegate(`reader.count(${1 + this.#bytesMin(layout.value)})`)
    this.#refuseDepth(containers, `${count} > 0`)
    const object = this.#code.local('{}')
    const index = this.#code.name()
    this.#code.line(`for (let ${index} = 0; ${index} < ${count}; ${index}++) {`)
    const key = this.#decode(layout.key, containers + 1)
    this.#code.line(`if (${key} === "__proto__") throw malformed("the key __proto__")`)
    this.#code.line(`${object}[${key}] = ${this.#decode(layout.value, containers + 1)}`)
    this.#code.line('}')
    return object
  }

  /** The place of one of `count` values, of which there are at most 256. */
  #place(count: number): string {
    this.#code.line('if (offset >= end) throw endsEarly()')
    const place = this.#code.local('bytes[offset++]')
    if (count < 256) this.#code.line(`if (${place} >= ${count}) throw noSuchPlace()`)
    return place
  }

  #varint(): string {
    const value = this.#code.name()
    this.#code.line('if (offset >= end) throw endsEarly()')
    this.#code.line(`let ${value} = bytes[offset++]`)
    this.#moreOf(value, value, 7)
    return value
  }

  #signed(): string {
    const first = this.#code.name()
    const value = this.#code.name()
    this.#code.line('if (offset >= end) throw endsEarly()')
    this.#code.line(`const ${first} = bytes[offset++]`)
    this.#code.line(`let ${value} = ${first} & 0x3f`)
    this.#moreOf(value, first, 6)
    this.#code.line(`if ((${first} & 0x40) !== 0) ${value} = negated(${value})`)
    return value
  }

  /** The rest of a number of which the first byte has so many bits. */
  #moreOf(value: string, first: string, bitCount: number): void {
    this.#code.line(`if (${first} > 0x7f) {`)
    this.#code.line('reader.offset = offset')
    this.#code.line(`${value} = reader.moreOf(${first} & ${2 ** bitCount - 1}, ${bitCount})`)
    this.#code.line('offset = reader.offset\n}')
  }

  #text(): string {
    const head = this.#varint()
    const [byteLength, text] = [this.#code.name(), this.#code.name()]
    this.#code.line(`if (${head} > 2 * (end - offset) + 1) throw endsEarly()`)
    this.#code.line(`const ${byteLength} = ${head} >>> 1`)
    this.#code.line(
      `const ${text} = (${head} & 1) === 0 ? memory.latin1Of(bytes, offset, offset + ${byteLength}) : utf8Of(bytes, offset, offset + ${byteLength})`,
    )
    this.#code.line(`offset += ${byteLength}`)
    return text
  }

  /** What the function makes of the bytes behind their length. */
  #slice(read: string): string {
    const byteLength = this.#varint()
    this.#code.line(`if (${byteLength} > end - offset) throw endsEarly()`)
    const value = this.#code.local(`${read}(bytes, offset, offset + ${byteLength})`)
    this.#code.line(`offset += ${byteLength}`)
    return value
  }

  /** What something else reads that has the reader. */
  #delegate(read: string): string {
    this.#code.line('reader.offset = offset')
    const value = this.#code.local(read)
    this.#code.line('offset = reader.offset')
    return value
  }

  #refuseUnless(conditions: readonly string[]): void {
    this.#code.require(conditions, 'reader.isRefused = true')
  }

  #refuseDepth(containers: number, isContained = 'true'): void {
    if (!this.#conditions.canBeDeep) return
    const message = JSON.stringify(`it is nested deeper than ${containersMax}`)
    this.#code.line(
      `if (${isContained} && !(${this.#conditions.isShallow(containers)})) throw malformed(${message})`,
    )
  }

  #bytesMin(layout: Layout): number {
    return bytesMin(layout, this.#layout.partsBytesMin)
  }
}

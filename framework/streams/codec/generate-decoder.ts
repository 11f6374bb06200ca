import type { CodeWriter } from './code-writer.js'
import type { Conditions } from './generate-conditions.js'
import { bytesMin, containersMax, type DatumLayout, type Layout } from './layout.js'

/** Writes functions that read a value, and say whether it is accepted. */
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
    this.#code.function(name, 'reader, depth', () => this.#code.line(`return ${this.#decode(layout, 0)}`))
  }

  /** @returns An expression for the value that was read, without effects. */
  #decode(layout: Layout, containers: number): string {
    switch (layout.kind) {
      case 'text': {
        const text = this.#code.local('reader.text()')
        this.#refuseUnless(this.#conditions.ofText(layout, text))
        return text
      }
      case 'number': {
        const number = this.#code.local('reader.number()')
        this.#refuseUnless(this.#conditions.ofNumber(layout, number))
        return number
      }
      case 'integer': {
        const integer = this.#code.local(layout.isSigned ? 'reader.signed()' : 'reader.varint()')
        this.#refuseUnless(this.#conditions.ofBounds(layout, integer))
        return integer
      }
      case 'date':
        return this.#code.local('reader.date()')
      case 'bigint':
        return this.#code.local('reader.bigint()')
      case 'bytes':
        return this.#code.local('reader.bytes()')
      case 'choice': {
        const { values } = layout
        const { length } = values
        if (length === 1) return JSON.stringify(values[0])
        return this.#code.local(
          `${this.#code.constant(values)}[reader.${length <= 256 ? 'place' : 'widePlace'}(${length})]`,
        )
      }
      case 'array': {
        const length = this.#code.local(`reader.count(${this.#bytesMin(layout.element)})`)
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
        this.#code.line(`switch (reader.place(${layout.members.length})) {`)
        layout.members.forEach((member, index) => {
          this.#code.line(`case ${index}: {`)
          this.#code.line(`${value} = ${this.#decode(member, containers)}`)
          this.#code.line('break\n}')
        })
        this.#code.line('}')
        return value
      }
      case 'recursion':
        return this.#code.local(`decode${layout.part}(reader, depth + ${containers})`)
    }
  }

  #decodeObject(layout: Extract<Layout, { kind: 'object' }>, containers: number): string {
    const { required, optional } = layout
    if (required.length + optional.length > 0) this.#refuseDepth(containers)
    const presence: string[] = []
    for (let first = 0; first < optional.length; first += 8) {
      presence.push(this.#code.local(`reader.place(${1 << Math.min(8, optional.length - first)})`))
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
    const count = this.#code.local(`reader.count(${1 + this.#bytesMin(layout.value)})`)
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

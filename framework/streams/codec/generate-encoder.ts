import type { CodeWriter } from './code-writer.js'
import type { Conditions } from './generate-conditions.js'
import type { JudgeWriter } from './generate-judge.js'
import type { Layout } from './layout.js'
import { REFUSED } from './packed-writer.js'

/** Writes functions that write a value, judging it on the way. */
export class EncoderWriter {
  readonly #code: CodeWriter
  readonly #conditions: Conditions
  readonly #judge: JudgeWriter

  constructor(code: CodeWriter, conditions: Conditions, judge: JudgeWriter) {
    this.#code = code
    this.#conditions = conditions
    this.#judge = judge
  }

  write(layout: Layout, name: string): void {
    this.#code.function(name, 'value, target, offset, depth', () => {
      this.#encode(layout, 'value', 0)
      this.#code.line('return offset')
    })
  }

  #encode(layout: Layout, value: string, containers: number): void {
    const refusal = `return ${REFUSED}`
    switch (layout.kind) {
      case 'text':
        this.#code.require(this.#conditions.leaf(layout, value), refusal)
        return this.#put(`putText(target, offset, ${value})`)
      case 'number':
        this.#code.require(this.#conditions.leaf(layout, value), refusal)
        return this.#put(`putNumber(target, offset, ${value})`)
      case 'integer':
        this.#code.require(this.#conditions.leaf(layout, value), refusal)
        return this.#put(`${layout.isSigned ? 'putSigned' : 'putVarint'}(target, offset, ${value})`)
      case 'date':
        this.#code.require(this.#conditions.leaf(layout, value), refusal)
        return this.#put(`putNumber(target, offset, timeOf(${value}))`)
      case 'bigint':
        this.#code.require(this.#conditions.leaf(layout, value), refusal)
        return this.#put(`putBigint(target, offset, ${value})`)
      case 'bytes':
        this.#code.require(this.#conditions.leaf(layout, value), refusal)
        return this.#put(`putBytes(target, offset, ${value})`)
      case 'choice': {
        const place = this.#code.local(this.#conditions.placeOfChoice(layout.values, value))
        this.#code.line(`if (${place} === undefined) ${refusal}`)
        if (layout.values.length === 1) return
        return this.#put(
          `${layout.values.length <= 256 ? 'putByte' : 'putTwoBytes'}(target, offset, ${place})`,
        )
      }
      case 'array': {
        this.#judge.requireArray(layout, value, containers, refusal)
        this.#put(`putVarint(target, offset, ${value}.length)`)
        const element = this.#judge.beginLoop(value)
        this.#encode(layout.element, element, containers + 1)
        return this.#code.line('}')
      }
      case 'tuple':
        this.#judge.requireTuple(layout.elements.length, value, containers, refusal)
        layout.elements.forEach((element, index) =>
          this.#encode(element, this.#code.local(`${value}[${index}]`), containers + 1),
        )
        return
      case 'object':
        return this.#encodeObject(layout, value, containers, refusal)
      case 'record': {
        const keys = this.#judge.requireRecord(value, containers, refusal)
        this.#put(`putVarint(target, offset, ${keys}.length)`)
        const key = this.#judge.beginLoop(keys)
        this.#encode(layout.key, key, containers + 1)
        this.#encode(layout.value, this.#code.local(`${value}[${key}]`), containers + 1)
        return this.#code.line('}')
      }
      case 'union': {
        const place = this.#judge.placeInUnion(layout.members, value, containers)
        this.#code.line(`if (${place} === undefined) ${refusal}`)
        this.#put(`putByte(target, offset, ${place})`)
        this.#code.line(`switch (${place}) {`)
        layout.members.forEach((member, index) => {
          this.#code.line(`case ${index}: {`)
          this.#encode(member, value, containers)
          this.#code.line('break\n}')
        })
        return this.#code.line('}')
      }
      case 'recursion':
        return this.#put(`encode${layout.part}(${value}, target, offset, depth + ${containers})`)
    }
  }

  #encodeObject(
    layout: Extract<Layout, { kind: 'object' }>,
    value: string,
    containers: number,
    refusal: string,
  ): void {
    this.#judge.requireObject(layout, value, containers, refusal)
    // Each member is read once, as a getter may have it another time.
    const required = layout.required.map((field) => this.#judge.member(value, field))
    const optional = layout.optional.map((field) => this.#judge.member(value, field))
    for (let first = 0; first < optional.length; first += 8) {
      const bits = optional
        .slice(first, first + 8)
        .map((member, bit) => `(${member} === undefined ? 0 : ${1 << bit})`)
      this.#put(`putByte(target, offset, ${bits.join(' | ')})`)
    }
    layout.required.forEach((field, index) => this.#encode(field.layout, required[index]!, containers + 1))
    layout.optional.forEach((field, index) => {
      this.#code.line(`if (${optional[index]} !== undefined) {`)
      this.#encode(field.layout, optional[index]!, containers + 1)
      this.#code.line('}')
    })
  }

  #put(call: string): void {
    this.#code.line(`offset = ${call}`)
    this.#code.line('if (offset < 0) return offset')
  }
}

// A state machine that tests of groups share: a number that can be added to.
import { z } from 'zod'
import { schemaCodec, type StateMachine } from '#framework/groups'

const add = z.object({ add: z.number() })
const total = z.number()
const which = z.enum(['total', 'count'])

export type Add = z.infer<typeof add>
export type Which = z.infer<typeof which>

export class Counter implements StateMachine<Add, number, Which, number> {
  readonly signature = 'test.counter'
  readonly codecs = {
    command: schemaCodec(add),
    result: schemaCodec(total),
    query: schemaCodec(which),
    answer: schemaCodec(total),
  }
  #total = 0
  #count = 0

  apply(command: Add): number {
    this.#count++
    this.#total += command.add
    return this.#total
  }

  query(query: Which): number {
    return query === 'total' ? this.#total : this.#count
  }
}

/** Another machine, whose members cannot be in one group with those of the other. */
export class OtherCounter extends Counter {
  override readonly signature = 'test.other-counter' as 'test.counter'
}

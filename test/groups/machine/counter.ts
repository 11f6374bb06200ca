import { z } from 'zod'
import { schemaCodec, type ApplyContext, type StateMachine } from '#framework/groups'

const commandSchema = z.object({
  add: z.int(),
  /** Adds only if the value is what was expected; the result says what it is then. */
  ifValue: z.int().optional(),
})
export type CounterCommand = z.infer<typeof commandSchema>

/** A whole number that is added to. */
export class Counter implements StateMachine<CounterCommand, number, 'value', number> {
  readonly signature = 'test/counter/1'
  readonly codecs = {
    command: schemaCodec(commandSchema),
    result: schemaCodec(z.int()),
    query: schemaCodec(z.literal('value')),
    answer: schemaCodec(z.int()),
  }
  /** What the machine was handed, in order. */
  readonly seen: { readonly command: CounterCommand; readonly context: ApplyContext }[] = []
  #value = 0

  apply(command: CounterCommand, context: ApplyContext): number {
    this.seen.push({ command, context })
    if (command.ifValue === undefined || command.ifValue === this.#value) this.#value += command.add
    return this.#value
  }

  query(): number {
    return this.#value
  }

  snapshot(): Iterable<Uint8Array> {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleBE(this.#value)
    return [bytes.subarray(0, 3), bytes.subarray(3)]
  }

  async restore(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const all: Uint8Array[] = []
    for await (const piece of pieces) all.push(piece)
    this.#value = Buffer.concat(all).readDoubleBE(0)
  }
}

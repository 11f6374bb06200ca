import { concatBytes, encodeUtf8 } from '#framework/primitives'
import type { StateMachine, ValueCodec } from '../../../framework/groups/machine/state-machine.js'
import { applyToRegister, type RegisterInput, type RegisterOutput } from '../clients/register.js'
import { mixed } from '../group/registers.js'

export type Write = Exclude<RegisterInput, { readonly kind: 'read' }>

interface State {
  readonly values: readonly (readonly [key: string, value: string])[]
  readonly digest: number
}

const utf8 = new TextDecoder()

/** For values that only the simulator makes. */
function jsonCodec<T>(): ValueCodec<T> {
  return {
    encode: (value) => encodeUtf8(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(utf8.decode(bytes)) as T,
  }
}

/** The registers of the simulation as a state machine of production. */
export class RegistersMachine implements StateMachine<Write, RegisterOutput, string, string> {
  readonly signature = 'sim/registers/1'
  readonly codecs = {
    command: jsonCodec<Write>(),
    result: jsonCodec<RegisterOutput>(),
    query: jsonCodec<string>(),
    answer: jsonCodec<string>(),
  }
  #values = new Map<string, string>()
  #digest = 0

  /** Two machines with equal digests have done the same in the same order. */
  get digest(): number {
    return this.#digest
  }

  get values(): ReadonlyMap<string, string> {
    return this.#values
  }

  apply(input: Write): RegisterOutput {
    const output = applyToRegister(this.query(input.key), input)
    this.#values.set(input.key, output.value)
    this.#digest = mixed(this.#digest, `${input.key} ${output.done} ${output.value}`)
    return output
  }

  query(key: string): string {
    return this.#values.get(key) ?? ''
  }

  snapshot(): Iterable<Uint8Array> {
    return [jsonCodec<State>().encode({ values: [...this.#values], digest: this.#digest })]
  }

  async restore(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const all: Uint8Array[] = []
    for await (const piece of pieces) all.push(piece)
    const { values, digest } = jsonCodec<State>().decode(concatBytes(...all))
    this.#values = new Map(values)
    this.#digest = digest
  }
}

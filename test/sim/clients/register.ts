import type { SequentialModel } from '../linearizability.js'

/** What a client may ask of one of the registers, which all hold the empty text at first. */
export type RegisterInput =
  | { readonly kind: 'read'; readonly key: string }
  | { readonly kind: 'write'; readonly key: string; readonly value: string }
  | {
      readonly kind: 'compare-and-set'
      readonly key: string
      readonly expected: string
      readonly value: string
    }
  | { readonly kind: 'append'; readonly key: string; readonly value: string }

/** What the register holds then; and for a compare-and-set, whether it was set. */
export interface RegisterOutput {
  readonly value: string
  readonly done: boolean
}

/** One register, as it behaves when there is one client. */
export const registerModel: SequentialModel<string, RegisterInput, RegisterOutput> = {
  initial: '',
  apply: (state, input) => {
    const output = applyToRegister(state, input)
    return { state: output.value, output }
  },
  sameState: (a, b) => a === b,
  sameOutput: (a, b) => a.value === b.value && a.done === b.done,
  isReadOnly: (input) => input.kind === 'read',
}

export function applyToRegister(value: string, input: RegisterInput): RegisterOutput {
  switch (input.kind) {
    case 'read':
      return { value, done: true }
    case 'write':
      return { value: input.value, done: true }
    case 'append':
      return { value: value + input.value, done: true }
    case 'compare-and-set':
      return value === input.expected ? { value: input.value, done: true } : { value, done: false }
  }
}

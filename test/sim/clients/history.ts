import { checkLinearizability, partition, type Operation } from '../linearizability.js'
import { registerModel, type RegisterInput, type RegisterOutput } from './register.js'

/** What all clients did and saw. */
export class History {
  readonly #completed: Operation<RegisterInput, RegisterOutput>[] = []
  readonly #unknown: Operation<RegisterInput, RegisterOutput>[] = []
  /** Of which the client was told that none of it will happen. */
  readonly #refused: RegisterInput[] = []

  get completedCount(): number {
    return this.#completed.length
  }

  get unknownCount(): number {
    return this.#unknown.length
  }

  complete(
    client: number,
    input: RegisterInput,
    invokedAt: number,
    at: number,
    output: RegisterOutput,
  ): void {
    this.#completed.push({ client, input, invokedAt, completion: { at, output } })
  }

  giveUp(client: number, input: RegisterInput, invokedAt: number): void {
    this.#unknown.push({ client, input, invokedAt, completion: undefined })
  }

  /** The client was told that none of it will happen. */
  refuse(input: RegisterInput): void {
    this.#refused.push(input)
  }

  /** What is wrong with it: undefined when it is linearizable, or when that takes too long to tell. */
  problem(): string | undefined {
    const seen = this.#seen()
    const undead = this.#refused.find((input) => input.kind !== 'read' && seen.has(tokenIn(input.value)))
    if (undead) return `a ${undead.kind} of which none was to happen has happened: ${JSON.stringify(undead)}`
    const operations = [...this.#completed, ...this.#observed(seen)]
    const beginnings = beginningsOf(this.#seenValues())
    const model = { ...registerModel, mayBeSeen: (value: string) => beginnings.has(value) }
    for (const [key, part] of partition(operations, (input) => input.key)) {
      const verdict = checkLinearizability(model, part)
      if (verdict.linearizable !== 'no') continue
      const before = verdict.prefix.slice(-5).map((operation) => `  ${describe(operation)}`)
      return [
        `register ${key}: no order of the operations explains`,
        `  ${describe(verdict.stuckAt)}`,
        'after',
        ...before,
      ].join('\n')
    }
    return undefined
  }

  /**
   * Those of unknown outcome that somebody saw. Every value that is written contains a token of its own, so one whose
   * token is in no answer and in no expected value can be left out: whatever order it is part of is an order without it.
   */
  #observed(seen: ReadonlySet<string>): Operation<RegisterInput, RegisterOutput>[] {
    return this.#unknown.filter(({ input }) => input.kind !== 'read' && seen.has(tokenIn(input.value)))
  }

  /** The tokens of all that somebody saw. */
  #seen(): ReadonlySet<string> {
    return new Set(this.#seenValues().flatMap((value) => value.split(TOKEN_END)))
  }

  #seenValues(): string[] {
    const answers = this.#completed.map(({ completion }) => completion!.output.value)
    const expected = [...this.#completed, ...this.#unknown].flatMap(({ input }) =>
      input.kind === 'compare-and-set' ? [input.expected] : [],
    )
    return [...answers, ...expected]
  }
}

/** What values have been, token by token, as far as others were appended to it: themselves included. */
export function beginningsOf(values: readonly string[]): ReadonlySet<string> {
  const beginnings = new Set<string>()
  for (const value of values) {
    for (let end = value.length; end > 0; end = value.lastIndexOf(TOKEN_END, end - 2) + 1) {
      const beginning = value.slice(0, end)
      if (beginnings.has(beginning)) break
      beginnings.add(beginning)
    }
  }
  return beginnings
}

const TOKEN_END = ';'

/** A value that no other operation writes. */
export function tokenOf(client: number, sequence: number): string {
  return `${client}.${sequence}${TOKEN_END}`
}

function tokenIn(value: string): string {
  return value.slice(0, -TOKEN_END.length)
}

function describe({
  client,
  input,
  invokedAt,
  completion,
}: Operation<RegisterInput, RegisterOutput>): string {
  const asked = input.kind === 'read' ? 'read' : `${input.kind} ${input.value}`
  const expected = input.kind === 'compare-and-set' ? ` expecting "${input.expected}"` : ''
  const from = invokedAt.toFixed(1)
  if (!completion) return `client ${client} from ${from} ms: ${asked}${expected}, outcome unknown`
  const { output, at } = completion
  const failed = output.done ? '' : ', not done'
  return `client ${client} from ${from} to ${at.toFixed(1)} ms: ${asked}${expected} gave "${output.value}"${failed}`
}

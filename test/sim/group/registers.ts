import { encodeUtf8, invariant } from '#framework/primitives'
import type { Entry } from '../../../framework/groups/raft/types.js'
import { applyToRegister, type RegisterInput, type RegisterOutput } from '../clients/register.js'

/** What a client wants to happen to a register exactly once, however often it is asked for. */
export interface Command {
  readonly client: number
  /** Counts the commands of the client, from 1. */
  readonly sequence: number
  readonly input: RegisterInput
}

export interface Applied {
  readonly command: Command
  /** Undefined when the client has gone on to a later command since: nobody waits for this one any more. */
  readonly output: RegisterOutput | undefined
  /** Whether it changed anything now, or had been applied before. */
  readonly isFirst: boolean
}

interface Session {
  readonly sequence: number
  readonly output: RegisterOutput
}

/** The state machine at one index, with what it takes to recognise commands that come again. */
export interface RegistersSnapshot {
  readonly values: ReadonlyMap<string, string>
  readonly sessions: ReadonlyMap<number, Session>
  readonly digest: number
}

/**
 * The replicated state machine of the simulation: registers by key, and for each client the last command and its outcome
 * (Ongaro 2014, §6.3).
 */
export class Registers {
  #values = new Map<string, string>()
  #sessions = new Map<number, Session>()
  #digest = 0

  /** Two machines with equal digests have done the same in the same order. */
  get digest(): number {
    return this.#digest
  }

  apply(entry: Entry): Applied[] {
    const commands = decodeCommands(entry.payload)
    invariant(commands.length === entry.commandCount, 'an entry holds as many commands as it says')
    return commands.map((command) => this.#applyOne(command))
  }

  read(key: string): string {
    return this.#values.get(key) ?? ''
  }

  snapshot(): RegistersSnapshot {
    return { values: new Map(this.#values), sessions: new Map(this.#sessions), digest: this.#digest }
  }

  restore(snapshot: RegistersSnapshot): void {
    this.#values = new Map(snapshot.values)
    this.#sessions = new Map(snapshot.sessions)
    this.#digest = snapshot.digest
  }

  #applyOne(command: Command): Applied {
    const { client, sequence, input } = command
    const session = this.#sessions.get(client)
    if (session && sequence <= session.sequence) {
      return { command, output: sequence === session.sequence ? session.output : undefined, isFirst: false }
    }
    const output = applyToRegister(this.read(input.key), input)
    this.#values.set(input.key, output.value)
    this.#sessions.set(client, { sequence, output })
    this.#digest = mixed(this.#digest, `${client} ${sequence} ${output.done} ${output.value}`)
    return { command, output, isFirst: true }
  }
}

export function encodeCommands(commands: readonly Command[]): Uint8Array {
  return encodeUtf8(JSON.stringify(commands))
}

export function decodeCommands(payload: Uint8Array): Command[] {
  return JSON.parse(utf8.decode(payload)) as Command[]
}

const utf8 = new TextDecoder()

/** FNV-1a, going on from a digest. */
export function mixed(digest: number, text: string): number {
  let hash = digest ^ 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

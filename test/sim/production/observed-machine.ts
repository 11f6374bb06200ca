import type { GroupId } from '#framework/primitives'
import { readHead, snapshotOf } from '../../../framework/groups/machine/machine-snapshot.js'
import {
  ReplicatedMachine,
  type AppliedSubmission,
} from '../../../framework/groups/machine/replicated-machine.js'
import { decodeSubmission } from '../../../framework/groups/machine/submission.js'
import type { Entry } from '../../../framework/groups/raft/types.js'
import type { RegisterOutput } from '../clients/register.js'
import type { WatchedCommand } from '../group/watched-member.js'
import { RegistersMachine, type Write } from './registers-machine.js'

export interface MachineObserver {
  applied(entry: Entry, commands: readonly WatchedCommand[]): void
  /** It was put to the state of a snapshot. */
  restored(): void
}

export interface ObservedMachineOptions {
  readonly groupId: GroupId
  readonly observer: MachineObserver
  /** A bug: a command that comes again after a snapshot takes effect again. */
  readonly forgetsSessions: boolean
  /** A bug: what is given up with a cluster stays in the machine. */
  readonly survivesMerge: boolean
}

/** The machine of production around the registers, with somebody who looks on. */
export class ObservedMachine extends ReplicatedMachine<Write, RegisterOutput, string, string> {
  readonly #options: ObservedMachineOptions
  readonly #latest: { registers: RegistersMachine }

  constructor(options: ObservedMachineOptions) {
    const latest = { registers: new RegistersMachine() }
    super({ groupId: options.groupId, factory: () => (latest.registers = new RegistersMachine()) })
    this.#options = options
    this.#latest = latest
  }

  get digest(): number {
    return this.#latest.registers.digest
  }

  override apply(entry: Entry): AppliedSubmission<RegisterOutput> | undefined {
    const submission = super.apply(entry)
    const payloads = entry.kind === 'command' ? decodeSubmission(entry.payload).commands : []
    const commands = payloads.map((bytes) => ({
      command: { input: this.codecs.command.decode(bytes) },
      isFirst: submission?.verdict === 'applied',
    }))
    this.#options.observer.applied(entry, commands)
    return submission
  }

  get values(): ReadonlyMap<string, string> {
    return this.#latest.registers.values
  }

  override reset(): void {
    if (!this.#options.survivesMerge) super.reset()
  }

  override async restore(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    await super.restore(this.#options.forgetsSessions ? withoutSessions(pieces, this) : pieces)
    this.#options.observer.restored()
  }
}

async function* withoutSessions(
  pieces: AsyncIterable<Uint8Array>,
  { codecs }: ObservedMachine,
): AsyncGenerator<Uint8Array> {
  const { head, rest } = await readHead(pieces, codecs.result)
  yield* snapshotOf({ ...head, sessions: [] }, codecs.result, [])
  yield* rest
}

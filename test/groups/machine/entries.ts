import { murmurChain } from '../../../framework/groups/raft/index.js'
import type { Entry, EntryKind } from '../../../framework/groups/raft/index.js'
import {
  encodeSessionOpening,
  encodeSubmission,
  type Submission,
} from '../../../framework/groups/machine/submission.js'
import { Counter, type CounterCommand } from './counter.js'

const { command: codec } = new Counter().codecs

/** A log of which every entry is made right behind the one before. */
export class TestLog {
  readonly entries: Entry[] = []

  add(kind: EntryKind, payload: Uint8Array, more: Partial<Entry> = {}): Entry {
    const last = this.entries.at(-1)
    const commandCount = more.commandCount ?? 0
    const fields = {
      index: (last?.index ?? 0) + 1,
      term: 1,
      kind,
      timestampMs: 1_000 + this.entries.length,
      payload,
      ...more,
      commandCount,
      applicationIndex: (last?.applicationIndex ?? 0) + commandCount,
    }
    const entry = { ...fields, hash: murmurChain.next(last?.hash ?? 0, fields) }
    this.entries.push(entry)
    return entry
  }

  open(session: string): Entry {
    return this.add('session', encodeSessionOpening(session))
  }

  submit({ commands, settledBelow = 1, ...place }: Counted, more: Partial<Entry> = {}): Entry {
    const encoded = commands.map((command) => codec.encode(command))
    const payload = encodeSubmission({ ...place, settledBelow, commands: encoded })
    return this.add('command', payload, { commandCount: commands.length, ...more })
  }
}

export interface Counted extends Pick<Submission, 'session' | 'sequence'> {
  readonly settledBelow?: number
  readonly commands: readonly CounterCommand[]
}

/** The id of a session for tests. */
export function sessionId(digit: number | string): string {
  return String(digit).padStart(32, '0')
}

import { murmurChain } from '#framework/groups/raft'
import type { ValueCodec } from '#framework/groups'
import type { StateMachine } from '../../../framework/groups/machine/state-machine.js'

const asIs: ValueCodec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes }
const number: ValueCodec<number> = {
  encode: (value) => Buffer.from(String(value)),
  decode: (bytes) => Number(Buffer.from(bytes).toString()),
}

/** Knows how many commands it has seen, and a sum of them all in their order. Has no snapshots. */
export class Ledger implements StateMachine<Uint8Array, number, number, number> {
  readonly signature: string = 'test/ledger/1'
  readonly codecs = { command: asIs, result: number, query: number, answer: number }
  protected sum = 0

  apply(command: Uint8Array, { index }: { readonly index: number }): number {
    const fields = { index, term: 0, kind: 'command', commandCount: 1, timestampMs: 0 } as const
    this.sum = murmurChain.next(this.sum, { ...fields, applicationIndex: index, payload: command })
    return this.sum
  }

  query(): number {
    return this.sum
  }
}

/** The same, with snapshots that are long. */
export class SnapshottedLedger extends Ledger {
  override readonly signature = 'test/ledger-with-snapshots/1';

  *snapshot(): Iterable<Uint8Array> {
    yield Buffer.from(String(this.sum).padStart(20))
    for (let piece = 0; piece < 5; piece++) yield new Uint8Array(700_000)
  }

  async restore(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const all: Uint8Array[] = []
    for await (const piece of pieces) all.push(piece)
    this.sum = Number(Buffer.concat(all).subarray(0, 20).toString())
  }
}

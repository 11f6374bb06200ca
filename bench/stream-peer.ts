// What the processes of the stream benchmark have in common, whatever they carry datums with.
import type { Transport } from './transports.ts'

export interface PeerOptions {
  readonly transport: Transport
  /** Where the broker is, for those that need one. */
  readonly broker: string
}

export interface Order {
  /** Bytes of a datum, encoded. */
  readonly size: number
  readonly ms: number
  /** How the consumer takes datums. */
  readonly take: 'each' | 'batches'
  /** Whether what carries bytes only gets datums that our codec has judged and encoded, and decodes them. */
  readonly encoded: boolean
}

export interface Sent {
  readonly count: number
  readonly bytes: number
  /** Until the other side had confirmed everything. */
  readonly seconds: number
}

/** One of the two processes. Each of them is told to be either end. */
export interface StreamPeer {
  /** Becomes the receiving end, and says where it is reached. */
  receive(options: PeerOptions): Promise<readonly string[]>
  /** Becomes the sending end. */
  connect(options: PeerOptions, addresses: readonly string[]): Promise<void>
  /** Tells the receiving end what comes next. */
  prepare(order: Order): void
  send(order: Order): Promise<Sent>
}

/** How many datums are sent between two looks at the clock. */
const stride = 256

/**
 * Sends for a while.
 *
 * @param sendMany Sends so many datums, numbered from the first; resolves when there is room for more.
 * @param confirmed Resolves when the other side has so many.
 */
export async function sendFor(
  { size, ms }: Order,
  sendMany: (first: number, count: number) => Promise<unknown>,
  confirmed: (count: number) => Promise<unknown>,
): Promise<Sent> {
  const startedAt = performance.now()
  let count = 0
  // Long datums are sent in smaller steps, so that the end is not late.
  const step = Math.max(1, Math.min(stride, Math.floor((1024 * 1024) / size)))
  do {
    await sendMany(count, step)
    count += step
  } while (performance.now() - startedAt < ms)
  await confirmed(count)
  return { count, bytes: count * size, seconds: (performance.now() - startedAt) / 1_000 }
}

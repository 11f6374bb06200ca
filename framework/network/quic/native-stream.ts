import { messageOf } from '#framework/primitives'
import type { NativeStream } from './binding.js'

// What holds of a stream of the binding, whoever uses it.

/** One write hands over at most this much, because a pending write cannot be called off. */
export const WRITE_BYTES_MAX = 256 * 1024
/** A read that brings less than this is not in a hurry for the next one. */
const FEW_BYTES = 4 * 1024

/**
 * Whether others go first after a read that has brought so many bytes of those that it asked for. Little came, so little is
 * waiting, and the call for more takes longer than what those do who wait for this. A busy stream has the next read under
 * way meanwhile; and what filled its read has a rest, which they may be waiting for.
 */
export function isQuiet(byteLength: number, askedBytes: number): boolean {
  return byteLength < FEW_BYTES && byteLength < askedBytes
}

/** Gives up both directions. */
export function discard(native: NativeStream): void {
  ignoreOutcome(native.resetWrite())
  ignoreOutcome(native.stopRead())
}

/** For native calls whose outcome changes nothing. */
export function ignoreOutcome(call: Promise<unknown>): void {
  call.catch(() => {})
}

/** A read that failed without a reset. The text of quinn's error says only "connection lost"; why, the connection knows. */
export function readEnded(cause: unknown): Error {
  return new Error(`QUIC stream ended: ${messageOf(cause)}`, { cause })
}

export function writeRefused(cause: unknown): Error {
  return new Error(`QUIC write refused: ${messageOf(cause)}`, { cause })
}

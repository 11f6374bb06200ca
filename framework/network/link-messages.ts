import { timingSafeEqual } from 'node:crypto'
import { types } from 'node:util'
import { bytesOf, decode, encode, messageOf, type NetworkId } from '#framework/primitives'
import { CloseReasons, closeReason, type CloseReason } from './close-reason.js'
import { CLOSE_FRAME_BYTES_MAX, FrameError, FrameKind, frameOf, OPENING_FRAME_BYTES_MAX } from './frame.js'

/** The version of links that this code speaks. */
export const LINK_VERSION = 1

const CODE_MAX = 0xffff_ffff
// Together they stay far below the limit of a CLOSE frame, even when every character takes three bytes.
const NAME_CHARS_MAX = 64
const MESSAGE_CHARS_MAX = 512

/**
 * An OPEN or ACCEPT frame; they differ only in their kind.
 *
 * @throws {CodecError} When the payload cannot be encoded.
 * @throws {FrameTooLargeError} When it makes the frame longer than 64 KiB.
 */
export function openingFrame(
  kind: typeof FrameKind.open | typeof FrameKind.accept,
  network: NetworkId,
  payload: unknown,
): Uint8Array {
  const fields = { v: LINK_VERSION, network: bytesOf(network) }
  return frameOf(
    kind,
    encode(payload === undefined ? fields : { ...fields, payload }),
    OPENING_FRAME_BYTES_MAX,
  )
}

/**
 * Reads the body of an OPEN or ACCEPT, and checks that the other side speaks our version and is of our network.
 * Unknown fields are ignored, so that a newer peer may say more.
 *
 * @returns The payload, `undefined` when there is none. Nobody has judged it yet.
 * @throws {FrameError} With the reason to close the link for.
 */
export function readOpening(body: Uint8Array, network: NetworkId): unknown {
  const fields = readMap(body, 'opening')
  const version = fields['v']
  if (version !== LINK_VERSION) {
    const named = typeof version === 'number' ? `version ${version}` : 'no version'
    throw violation(`the opening has ${named}, and version ${LINK_VERSION} is spoken here`)
  }
  const theirs = fields['network']
  if (!types.isUint8Array(theirs) || theirs.byteLength !== 32) throw violation('the opening names no network')
  // Without a message: a stranger is not told which network this is.
  if (!timingSafeEqual(theirs, bytesOf(network))) throw new FrameError(CloseReasons.DifferentNetwork)
  return fields['payload']
}

/** A CLOSE frame. Overlong texts are cut: the code is what matters, and a reason must always get through. */
export function closeFrame(reason: CloseReason): Uint8Array {
  const name = printable(reason.name, NAME_CHARS_MAX)
  const message = printable(reason.message ?? '', MESSAGE_CHARS_MAX)
  const fields = message === '' ? { code: reason.code, name } : { code: reason.code, name, message }
  return frameOf(FrameKind.close, encode(fields), CLOSE_FRAME_BYTES_MAX)
}

/**
 * Reads the body of a CLOSE. Unknown codes and fields are fine.
 *
 * @throws {FrameError} 400, when it is no reason.
 */
export function readClose(body: Uint8Array): CloseReason {
  const { code, name, message = '' } = readMap(body, 'close reason')
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 0 || code > CODE_MAX) {
    throw violation('the close reason has no code')
  }
  if (typeof name !== 'string' || typeof message !== 'string') throw violation('the close reason has no name')
  return closeReason({ code, name: printable(name, NAME_CHARS_MAX) }, printable(message, MESSAGE_CHARS_MAX))
}

function readMap(body: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = decode(body)
  } catch (error) {
    throw violation(`the ${what} cannot be decoded: ${messageOf(error)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw violation(`the ${what} is not a map`)
  }
  return value as Record<string, unknown>
}

/** Reasons end up in logs and terminals, so another peer's words must not carry control characters. */
function printable(text: string, charsMax: number): string {
  return text.slice(0, charsMax).replace(/[\p{Cc}\p{Cs}]/gu, ' ')
}

function violation(message: string): FrameError {
  return new FrameError(closeReason(CloseReasons.ProtocolViolation, message))
}

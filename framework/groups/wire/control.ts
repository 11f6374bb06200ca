// What comes first in a message on the control lane, and so what the rest is.

/** A message of consensus. */
export const CONSENSUS = 0
/** What a member says of itself. */
export const NOTE = 1
/** What the leaders of two clusters tell each other. */
export const MERGE = 2
/** Messages of consensus for several bonds with the same peer. */
export const BUNDLE = 3

export function controlMessage(tag: number, bytes: Uint8Array): Uint8Array {
  const message = new Uint8Array(1 + bytes.byteLength)
  message[0] = tag
  message.set(bytes, 1)
  return message
}

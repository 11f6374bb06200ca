import { messageOf } from '#framework/primitives'

// The binding reports every failure with the code "Unknown"; only the text (of quinn's error types) tells them apart.

/** The other side reset the direction that we read. */
export function isResetByPeer(error: unknown): boolean {
  return messageOf(error).startsWith('stream reset by peer')
}

/** The other side asked us to stop the direction that we write. */
export function isStoppedByPeer(error: unknown): boolean {
  return messageOf(error).startsWith('sending stopped by peer')
}

/** The server was closed, so that it will never accept again. */
export function isServerClosed(error: unknown): boolean {
  return messageOf(error) === 'server closed'
}

/** The address is bound by somebody else. */
export function isAddressInUse(error: unknown): boolean {
  return /address already in use|os error 98|os error 48|os error 10048/i.test(messageOf(error))
}

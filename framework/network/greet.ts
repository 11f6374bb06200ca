import { CloseReasons, LinkClosedError, closeReason, type CloseReason } from './close-reason.js'
import {
  AcceptorGreeting,
  confirmation,
  welcome,
  type DiallerGreeting,
  type GreetingOptions,
  type Introduction,
} from './greeting.js'
import type { IncomingLink } from './framed-link.js'
import type { Link } from './link.js'

/** The other side knew which network to ask for, and then did not have its key: a replay, or an echo. */
export class UnprovenError extends LinkClosedError {}

/** A greeting that went well. */
export interface Greeted {
  readonly link: Link
  /** What the other side says of itself and of us. */
  readonly said: Introduction
}

/**
 * The dialler's greeting. When it resolves, both sides have proven that they are of the same network, and the acceptor
 * has admitted us.
 *
 * @param open Opens the hello link with that payload.
 * @param signal Bounds what comes after that.
 * @throws {LinkClosedError} LINK_CLOSED: with the acceptor's reason, 101 when it is of another network; 400 when it
 *   answers something else. What `open` throws.
 */
export async function greet(
  greeting: DiallerGreeting,
  own: Introduction,
  open: (payload: unknown) => Promise<Link>,
  signal: AbortSignal,
): Promise<Greeted> {
  const link = await open(greeting.opening)
  const said = greeting.hear(link.acceptPayload)
  if (said === 'malformed') throw await refuse(link, malformed)
  if (said === 'unproven') throw await disbelieve(link)
  await link.send(greeting.confirmation(own), { signal })
  await link.recvMessage(welcome, { signal })
  return { link, said }
}

/**
 * The acceptor's greeting. When it resolves, the dialler has proven that it is of our network.
 *
 * @param timeoutMs How long the dialler's proof may take.
 * @throws {LinkClosedError | TimeoutError} As {@link greet}; 104 when the proof is late.
 */
export async function answerGreeting(
  { link, accept }: IncomingLink,
  options: GreetingOptions,
  own: Introduction,
  timeoutMs: number,
): Promise<Greeted> {
  const greeting = AcceptorGreeting.of(link.openPayload, options)
  if (greeting === undefined) throw await refuse(link, malformed)
  await accept(greeting.answer(own))
  const said = await link.recvMessage(confirmation, { timeoutMs })
  if (!greeting.isConfirmedBy(said.proof)) throw await disbelieve(link)
  return { link, said }
}

const malformed = closeReason(CloseReasons.ProtocolViolation, 'that is no greeting')

async function refuse(link: Link, reason: CloseReason): Promise<LinkClosedError> {
  await link.close(reason)
  return new LinkClosedError(reason, 'local', link)
}

/** The same reason as for another network: whoever tries keys learns nothing from how it fails. */
async function disbelieve(link: Link): Promise<LinkClosedError> {
  await link.close(CloseReasons.DifferentNetwork)
  return new UnprovenError(CloseReasons.DifferentNetwork, 'local', link)
}

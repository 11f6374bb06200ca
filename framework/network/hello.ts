import { z } from 'zod'
import type { Clock } from '#framework/primitives'
import type { Link, LinkProtocol } from './link.js'

/**
 * The first words on every connection. The dialler opens one link of this protocol, on which both sides prove that they
 * are of the same network; each admits the connection when it believes the other. The link then stays for as long as
 * the connection and is its voice: the dialler asks for signs of life on it, and whoever ends the connection
 * says why by closing it.
 */
export const HELLO: LinkProtocol = { id: '/mosaik/hello/1.0', frameBytesMax: 4 * 1024 }

/** Unknown fields are let through, for newer peers. */
const ping = z.object({ type: z.literal('ping'), id: z.int().nonnegative() })
const pong = z.object({ type: z.literal('pong'), id: z.int().nonnegative() })

export interface AskingOptions {
  readonly clock: Clock
  readonly intervalMs: number
  /** How long an answer may take before the link is closed with Timeout. */
  readonly timeoutMs: number
  readonly onRoundTrip: (ms: number) => void
}

/**
 * The dialler's side: asks at once and then time after time.
 *
 * @throws {LinkClosedError | TimeoutError} When the link is over.
 */
export async function askForSignsOfLife(link: Link, options: AskingOptions): Promise<never> {
  const { clock, intervalMs, timeoutMs, onRoundTrip } = options
  const over = new AbortController()
  void link.closed.then(() => over.abort())
  for (let id = 0; ; id++) {
    const askedAt = clock.monotonic()
    await link.send({ type: 'ping', id })
    await link.recvMessage(
      pong.refine((answer) => answer.id === id, 'not the answer to the last question'),
      { timeoutMs },
    )
    onRoundTrip(clock.monotonic() - askedAt)
    // When the link ends meanwhile, the next send says so, with the reason.
    await clock.sleep(intervalMs, { signal: over.signal }).catch(() => {})
  }
}

/**
 * The accepting side: answers.
 *
 * @param silenceMs How long the other side may say nothing before the link is closed with Timeout.
 * @throws {LinkClosedError | TimeoutError} When the link is over.
 */
export async function giveSignsOfLife(link: Link, silenceMs: number): Promise<never> {
  for (;;) {
    const { id } = await link.recvMessage(ping, { timeoutMs: silenceMs })
    await link.send({ type: 'pong', id })
  }
}

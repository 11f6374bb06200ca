import { z } from 'zod'
import type { Clock } from '#framework/primitives'
import type { Link, LinkProtocol } from './link.js'

/**
 * The first words on every connection. The dialler opens one link of this protocol; that both sides are of the same
 * network is what opening any link shows, so once it is open the connection is admitted. The link then stays for as
 * long as the connection and is its voice: the dialler asks for signs of life on it, and whoever ends the connection
 * says why by closing it.
 */
export const HELLO: LinkProtocol = { id: '/mosaik/hello/1.0', frameBytesMax: 4 * 1024 }

/** What both sides say with the opening. */
const greeting = z.object({
  /** Which start of the peer this is: another one means that whatever was before has ended. */
  instance: z.string().min(1).max(64),
})

export function greetingOf(instance: string): z.output<typeof greeting> {
  return { instance }
}

/** Which start of the peer said this; undefined when it does not say. */
export function instanceIn(payload: unknown): string | undefined {
  return greeting.safeParse(payload).data?.instance
}

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

import { z } from 'zod'
import { TokenBucket, type Clock, type Random } from '#framework/primitives'
import { CloseReasons, closeReason } from './close-reason.js'
import type { Link, LinkProtocol } from './link.js'

/**
 * The first words on every connection. The dialler opens one link of this protocol, on which both sides prove that they
 * are of the same network; each admits the connection when it believes the other. The link then stays for as long as
 * the connection and is its voice: the dialler asks for signs of life on it, and whoever ends the connection
 * says why by closing it.
 */
export const HELLO: LinkProtocol = { id: '/mosaik/hello/1.0', frameBytesMax: 4 * 1024 }

/**
 * A question, its answer, and the word that the answer has arrived: two round trips in three messages, one for each side
 * to measure. The ids are random, so that nobody can answer early and seem nearer than they are. Unknown fields are let
 * through, for newer peers.
 */
const idSchema = z.int().nonnegative()
const ping = z.object({ type: z.literal('ping'), id: idSchema })
const pong = z.object({ type: z.literal('pong'), id: idSchema, back: idSchema.optional() })
const seen = z.object({ type: z.literal('seen'), id: idSchema })
const pingOrSeen = z.discriminatedUnion('type', [ping, seen])

const ID_BYTES = 6

/** How many messages a dialler may send here, however often it is set up to ask: far more than any does. */
const MESSAGES = Object.freeze({ capacity: 200, perSecond: 100 })

/** What both sides need. */
interface ExchangeOptions {
  readonly clock: Clock
  readonly random: Random
  /** Told each round trip, in milliseconds. */
  readonly onRoundTrip: (ms: number) => void
}

export interface AskingOptions extends ExchangeOptions {
  readonly intervalMs: number
  /** How long an answer may take before the link is closed with Timeout. */
  readonly timeoutMs: number
}

export interface AnsweringOptions extends ExchangeOptions {
  /** How long the other side may say nothing before the link is closed with Timeout. */
  readonly silenceMs: number
}

/**
 * The dialler's side: asks at once and then time after time.
 *
 * @throws {LinkClosedError | TimeoutError} When the link is over.
 */
export async function askForSignsOfLife(link: Link, options: AskingOptions): Promise<never> {
  const { clock, random, intervalMs, timeoutMs, onRoundTrip } = options
  const over = new AbortController()
  void link.closed.then(() => over.abort())
  for (;;) {
    const id = randomId(random)
    const askedAt = clock.monotonic()
    await link.send({ type: 'ping', id })
    const { back } = await link.recvMessage(
      pong.refine((answer) => answer.id === id, 'not the answer to the last question'),
      { timeoutMs },
    )
    onRoundTrip(clock.monotonic() - askedAt)
    if (back !== undefined) await link.send({ type: 'seen', id: back })
    // When the link ends meanwhile, the next send says so, with the reason.
    await clock.sleep(intervalMs, { signal: over.signal }).catch(() => {})
  }
}

/**
 * The accepting side: answers.
 *
 * @throws {LinkClosedError | TimeoutError} When the link is over.
 */
export async function giveSignsOfLife(link: Link, options: AnsweringOptions): Promise<never> {
  const { clock, random, silenceMs, onRoundTrip } = options
  const rate = new TokenBucket(MESSAGES, clock.monotonic())
  let answered: { readonly id: number; readonly atMs: number } | undefined
  for (;;) {
    const message = await link.recvMessage(pingOrSeen, { timeoutMs: silenceMs })
    if (!rate.tryTake(clock.monotonic())) await link.close(tooMany)
    if (message.type === 'seen') {
      if (message.id === answered?.id) onRoundTrip(clock.monotonic() - answered.atMs)
      // One guess for each answer.
      answered = undefined
    } else {
      answered = { id: randomId(random), atMs: clock.monotonic() }
      await link.send({ type: 'pong', id: message.id, back: answered.id })
    }
  }
}

const tooMany = closeReason(CloseReasons.TooManyRequests, 'too many signs of life')

function randomId(random: Random): number {
  return Buffer.from(random.bytes(ID_BYTES)).readUIntBE(0, ID_BYTES)
}

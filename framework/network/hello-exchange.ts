import type { Stream } from '@libp2p/interface'
import { isMosaikError } from '#framework/primitives'
import { CloseReasons, LinkClosedError } from './close-reason.js'
import { acceptLink, openLink } from './framed-link.js'
import { UnprovenError, answerGreeting, greet, type Greeted } from './greet.js'
import { DiallerGreeting, WELCOME, type GreetingOptions, type Introduction } from './greeting.js'
import { HELLO, askForSignsOfLife, giveSignsOfLife } from './hello.js'
import { NONCE_BYTES } from './network-key.js'
import { linkStream, type ConnectionEntry } from './peer-connection.js'
import type { HostContext } from './host-context.js'
import type { Link } from './link.js'
import type { HandshakeRejection } from './metrics.js'

/** The hello on a connection, in either part: first the greeting, then signs of life for as long as the connection. */
export class HelloExchange {
  readonly #context: HostContext

  constructor(context: HostContext) {
    this.#context = context
  }

  /** The dialler's greeting, which opens the hello link. @throws As {@link greet}, and as opening a stream. */
  async greet(entry: ConnectionEntry, closing: AbortSignal): Promise<Greeted> {
    const { clock, networkKey, limits } = this.#context
    using deadline = clock.deadline(limits.admissionTimeoutMs, closing)
    const { signal } = deadline
    const options = this.#greetingOptions(entry)
    const stream = await entry.libp2p.newStream(HELLO.id, { signal, maxOutboundStreams: 1 })
    const open = (payload: unknown): Promise<Link> =>
      openLink({
        ...this.#linkOptions(entry, stream, 'outbound'),
        network: networkKey.greetingId(options.self, options.peer),
        signal,
        payload,
      })
    return await greet(new DiallerGreeting(options), this.#introductionTo(entry), open, signal)
  }

  /** The acceptor's greeting, on a stream that the dialler has opened for it. @throws As {@link answerGreeting}. */
  async answer(entry: ConnectionEntry, stream: Stream, closing: AbortSignal): Promise<Greeted> {
    const { networkKey, limits } = this.#context
    const options = this.#greetingOptions(entry)
    const incoming = await acceptLink({
      ...this.#linkOptions(entry, stream, 'inbound'),
      network: networkKey.greetingId(options.peer, options.self),
      signal: closing,
    })
    return await answerGreeting(incoming, options, this.#introductionTo(entry), limits.admissionTimeoutMs)
  }

  /**
   * What follows the greeting once the connection is admitted: the acceptor's welcome, and signs of life.
   *
   * @param onRoundTrip Told each round trip, in milliseconds.
   * @throws {LinkClosedError | TimeoutError} When the link is over, and the connection with it.
   */
  async keepUp(entry: ConnectionEntry, link: Link, onRoundTrip: (ms: number) => void): Promise<never> {
    const { clock, random, limits } = this.#context
    const signsOfLife = entry.transport === 'quic' ? limits.signsOfLifeQuic : limits.signsOfLife
    const exchange = { clock, random, onRoundTrip }
    if (entry.direction === 'outbound') return askForSignsOfLife(link, { ...exchange, ...signsOfLife })
    await link.send(WELCOME)
    const silenceMs = signsOfLife.intervalMs + signsOfLife.timeoutMs
    return giveSignsOfLife(link, { ...exchange, silenceMs })
  }

  #greetingOptions({ peer }: ConnectionEntry): GreetingOptions {
    const { networkKey, identity, random } = this.#context
    return { key: networkKey, self: identity.peerId, peer, nonce: random.bytes(NONCE_BYTES) }
  }

  #introductionTo({ address }: ConnectionEntry): Introduction {
    const { instance } = this.#context
    // Over a relay we see the relay, not the peer.
    return address.includes('/p2p-circuit') ? { instance } : { instance, observed: address }
  }

  #linkOptions(entry: ConnectionEntry, stream: Stream, direction: 'inbound' | 'outbound') {
    const { clock, metrics, limits } = this.#context
    return {
      stream: linkStream(entry, stream),
      peer: entry.peer,
      protocol: HELLO,
      clock,
      limits: { openingTimeoutMs: limits.admissionTimeoutMs, closeTimeoutMs: limits.closeTimeoutMs },
      observer: metrics.linkObserver(HELLO.id, direction),
    }
  }
}

/** What a greeting that failed with that error says about the connection. */
export function rejectionOf(error: unknown): HandshakeRejection {
  if (error instanceof UnprovenError) return 'proof'
  if (isMosaikError(error, 'TIMEOUT')) return 'timeout'
  if (!(error instanceof LinkClosedError)) return 'lost'
  switch (error.reason.code) {
    case CloseReasons.DifferentNetwork.code:
      return 'network'
    case CloseReasons.Timeout.code:
      return 'timeout'
    case CloseReasons.UnexpectedClose.code:
    case CloseReasons.GracefulShutdown.code:
      return 'lost'
    default:
      return 'protocol'
  }
}

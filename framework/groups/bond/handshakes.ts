import type { PeerEntry } from '#framework/discovery'
import { closeReason, type CloseReason, type Link } from '#framework/network'
import { isMosaikError, type GroupId, type PeerId } from '#framework/primitives'
import type { Bond } from './bond.js'
import type { BondContext } from './bond-context.js'
import { BondCloseReasons, BondRefusedError, failureReason } from './close-reasons.js'
import type { Attempt } from './dial-arbiter.js'
import {
  AcceptorHandshake,
  DiallerHandshake,
  type BondRole,
  type BondTerms,
  type HandshakeFailure,
  type HandshakeOptions,
} from './handshake.js'
import { NONCE_BYTES, WELCOME, welcome, type Hello } from './handshake-messages.js'
import { bondProtocol } from './lanes.js'

/** Two sides that have proven themselves to each other. */
export interface Proven {
  readonly link: Link
  readonly terms: BondTerms
  /** The other side's newest entry. */
  readonly entry: PeerEntry
}

/** The group that handshakes are for, and who decides about them. */
export interface HandshakesOptions {
  readonly context: BondContext
  readonly group: GroupId
  readonly proofKey: Uint8Array
  readonly role: BondRole
  /** As it is when a handshake begins. */
  readonly incarnation: () => string
  readonly capabilities: readonly string[]
  /** Whether an attempt may lead to a bond now: the newest entry of the peer, or why not. */
  readonly admit: (attempt: Attempt) => PeerEntry | CloseReason
  /** Makes the bond of an attempt that was admitted just before. */
  readonly keep: (attempt: Attempt, proven: Proven) => Bond
}

/** Takes handshakes from one end to the other. What is decided in them is decided elsewhere. */
export class Handshakes {
  readonly #options: HandshakesOptions

  constructor(options: HandshakesOptions) {
    this.#options = options
  }

  /**
   * Dials a peer, and resolves when there is a bond.
   *
   * @throws {LinkClosedError} The other side does not want one. {@link BondRefusedError}: this side does not. What
   *   connecting throws; `TIMEOUT`; the signal's reason.
   */
  async dial(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const { host, discovery, clock, limits, introductions } = this.#options.context
    const { peer } = attempt
    const target = { peer, addresses: discovery.catalog.value.get(peer)?.addresses ?? [] }
    await host.connect(target, { signal, timeoutMs: limits.connectTimeoutMs })
    const handshake = new DiallerHandshake(this.#with(peer))
    const me = introductions.for(peer)
    const payload = handshake.hello(me.entry)
    using deadline = clock.deadline(limits.handshakeTimeoutMs, signal)
    await this.#orForget(peer, async () => {
      const link = await host.open(target, bondProtocol, { payload, signal: deadline.signal })
      me.onTold()
      await orClose(link, () => this.#prove(attempt, link, handshake, deadline.signal))
    })
  }

  /**
   * Answers a hello that names the group, and resolves when there is a bond.
   *
   * @throws As {@link dial}.
   */
  async answer(attempt: Attempt, hello: Hello, incoming: Incoming, signal: AbortSignal): Promise<void> {
    const { clock, limits, introductions } = this.#options.context
    const { link, accept } = incoming
    const handshake = new AcceptorHandshake(hello, this.#with(attempt.peer))
    const me = introductions.for(attempt.peer)
    using deadline = clock.deadline(limits.handshakeTimeoutMs, signal)
    const shakeHands = async (): Promise<void> => {
      await accept(handshake.challenge(me.entry))
      link.forgetPayloads()
      const frame = await link.recv({ signal: deadline.signal })
      const terms = orRefuse(frame.kind === 'message' ? handshake.hear(frame.value) : 'malformed')
      me.onTold()
      const entry = this.#admit(attempt)
      // First of all that is sent on it.
      const welcomed = link.send(WELCOME)
      this.#options.keep(attempt, { link, terms, entry })
      await welcomed
    }
    await this.#orForget(attempt.peer, () => orClose(link, shakeHands))
  }

  async #prove(
    attempt: Attempt,
    link: Link,
    handshake: DiallerHandshake,
    signal: AbortSignal,
  ): Promise<void> {
    const { context, keep } = this.#options
    const { entry: record, ...terms } = orRefuse(handshake.hear(link.acceptPayload))
    link.forgetPayloads()
    learn(context, record)
    // Whom this side does not want is given no proof.
    this.#admit(attempt)
    const expected = context.directory.expect(terms.id)
    let bond: Bond | undefined
    try {
      await link.send(handshake.finish, { signal })
      await link.recvMessage(welcome, { signal })
      bond = keep(attempt, { link, terms, entry: this.#admit(attempt) })
    } finally {
      expected.settle(bond)
    }
  }

  /** A peer with which a handshake has failed may not know what it was told, or not any more. */
  async #orForget(peer: PeerId, run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.#options.context.introductions.forget(peer)
      throw error
    }
  }

  #admit(attempt: Attempt): PeerEntry {
    const admitted = this.#options.admit(attempt)
    if ('code' in admitted) throw new BondRefusedError(admitted)
    return admitted
  }

  #with(peer: PeerId): HandshakeOptions {
    const { context, group, proofKey, role, capabilities } = this.#options
    const incarnation = this.#options.incarnation()
    const { host, random } = context
    const nonce = random.bytes(NONCE_BYTES)
    return { proofKey, group, self: host.peerId, peer, nonce, incarnation, role, capabilities }
  }
}

/** A link that waits for an answer. */
export interface Incoming {
  readonly link: Link
  readonly accept: (payload?: unknown) => Promise<void>
}

/** Takes in the entry that a peer has brought: nobody need wait until gossip has caught up. */
export function learn({ discovery }: Pick<BondContext, 'discovery'>, record: Uint8Array): void {
  try {
    discovery.feed(record)
  } catch (error) {
    // Discovery was closed first: the catalog stays as it is.
    if (!isMosaikError(error, 'DISCOVERY_CLOSED')) throw error
  }
}

/** When a handshake fails, its link is closed, for the reason that it failed for. */
async function orClose(link: Link, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    await link.close(failureReason(error))
    throw error
  }
}

const refusals: Readonly<Record<HandshakeFailure, CloseReason>> = {
  malformed: closeReason(BondCloseReasons.InvalidHandshake, 'that is no handshake of this version'),
  unproven: BondCloseReasons.InvalidProof,
}

function orRefuse<T extends object>(heard: T | HandshakeFailure): T {
  if (typeof heard === 'string') throw new BondRefusedError(refusals[heard])
  return heard
}

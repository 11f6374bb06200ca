import { z } from 'zod'
import type { PeerId } from '#framework/primitives'
import { NONCE_BYTES, PROOF_BYTES, type GreetingTranscript, type NetworkKey } from './network-key.js'

/** Multiaddrs are far shorter. */
const ADDRESS_CHARS_MAX = 256

const bytes = (length: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.byteLength === length,
    `expected ${length} bytes`,
  )

/** What the dialler says first: nothing that means anything to a stranger. */
const opening = z.object({ nonce: bytes(NONCE_BYTES) })

/** What each side says of itself and of the other, once it may take it for a member. */
const introduction = z.object({
  /** Which start of the peer this is: another one means that whatever was before has ended. */
  instance: z.string().min(1).max(64),
  /** A multiaddr, without the peer: where the speaker sees the other side. Not said over a relay, which hides it. */
  observed: z.string().max(ADDRESS_CHARS_MAX).optional(),
})

/** What the acceptor answers. */
const answer = introduction.extend({ nonce: bytes(NONCE_BYTES), proof: bytes(PROOF_BYTES) })

/** What the dialler says then. Unknown fields are let through, for newer peers. */
export const confirmation = introduction.extend({ type: z.literal('proof'), proof: bytes(PROOF_BYTES) })

/** What the acceptor says at last: the dialler is in, and may open links. */
export const WELCOME = Object.freeze({ type: 'welcome' })
export const welcome = z.object({ type: z.literal('welcome') })

export type Introduction = z.output<typeof introduction>

/** The two peers of a connection, and the number that our side has drawn for it. */
export interface GreetingOptions {
  readonly key: NetworkKey
  readonly self: PeerId
  readonly peer: PeerId
  /** 32 random bytes, never used before. */
  readonly nonce: Uint8Array
}

/**
 * The dialler's part of a greeting, step by step. Pure.
 *
 * ```
 * dialler                                    acceptor
 *   OPEN    greetingId, nonce          ──▶    knows no such greetingId: CLOSE 101, and nothing was said
 *                                      ◀──    ACCEPT  greetingId, nonce, proof, introduction
 *   believes the proof
 *   MESSAGE proof, introduction        ──▶    believes the proof: admitted
 *   admitted                           ◀──    MESSAGE welcome
 * ```
 */
export class DiallerGreeting {
  readonly #options: GreetingOptions
  #transcript: GreetingTranscript | undefined

  constructor(options: GreetingOptions) {
    this.#options = options
  }

  get opening(): z.output<typeof opening> {
    return { nonce: this.#options.nonce }
  }

  /** @returns What the acceptor says of itself; `malformed`, or `unproven` when it does not have the key. */
  hear(payload: unknown): Introduction | 'malformed' | 'unproven' {
    const said = answer.safeParse(payload).data
    if (said === undefined) return 'malformed'
    const { key, self, peer, nonce } = this.#options
    const transcript = { dialler: self, acceptor: peer, diallerNonce: nonce, acceptorNonce: said.nonce }
    if (!key.isProof('acceptor', transcript, said.proof)) return 'unproven'
    this.#transcript = transcript
    return said
  }

  /** To be said after the acceptor was believed, and not before: until then nothing is proven to anybody. */
  confirmation(own: Introduction): z.output<typeof confirmation> | undefined {
    if (this.#transcript === undefined) return undefined
    return { type: 'proof', proof: this.#options.key.proof('dialler', this.#transcript), ...own }
  }
}

/** The acceptor's part. It has checked the greeting id before, so that it proves nothing to strangers. Pure. */
export class AcceptorGreeting {
  readonly #key: NetworkKey
  readonly #transcript: GreetingTranscript

  private constructor(key: NetworkKey, transcript: GreetingTranscript) {
    this.#key = key
    this.#transcript = transcript
  }

  /** @returns `undefined` when the dialler's opening is malformed. */
  static of(payload: unknown, { key, self, peer, nonce }: GreetingOptions): AcceptorGreeting | undefined {
    const said = opening.safeParse(payload).data
    if (said === undefined) return undefined
    return new AcceptorGreeting(key, {
      dialler: peer,
      acceptor: self,
      diallerNonce: said.nonce,
      acceptorNonce: nonce,
    })
  }

  answer(own: Introduction): z.output<typeof answer> {
    const proof = this.#key.proof('acceptor', this.#transcript)
    return { nonce: this.#transcript.acceptorNonce, proof, ...own }
  }

  /** Whether the dialler has the key. */
  isConfirmedBy(proof: Uint8Array): boolean {
    return this.#key.isProof('dialler', this.#transcript, proof)
  }
}

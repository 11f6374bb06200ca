import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import {
  bytesOf,
  concatBytes,
  digestFromRaw,
  encode,
  encodeUtf8,
  type Digest,
  type GroupId,
  type PeerId,
} from '#framework/primitives'
import {
  BOND_VERSION,
  PROOF_BYTES,
  readChallenge,
  readFinish,
  type Challenge,
  type Hello,
  type SideFacts,
} from './handshake-messages.js'

/** What a node is in a group: one that takes part, or one that only follows. */
export type BondRole = SideFacts['role']

/** What this node brings to a handshake. */
export interface HandshakeOptions {
  /** Of the group's key. */
  readonly proofKey: Uint8Array
  readonly group: GroupId
  readonly self: PeerId
  /** Whom the transport has shown the other side to be. */
  readonly peer: PeerId
  /** 32 random bytes, never used before. */
  readonly nonce: Uint8Array
  readonly incarnation: string
  readonly role: BondRole
  /** Default: none. */
  readonly capabilities?: readonly string[]
}

/** What both sides agree on when each has believed the other. */
export interface BondTerms {
  /** The same on both sides, different for each handshake, and known to nobody else. */
  readonly id: Digest
  readonly incarnation: string
  readonly role: BondRole
  /** What both can do, sorted. */
  readonly capabilities: readonly string[]
}

/** Why the other side is not believed: it said something else than was due, or does not have the key. */
export type HandshakeFailure = 'malformed' | 'unproven'

/**
 * The dialler's part of a handshake, step by step. Pure.
 *
 * ```
 * dialler                                          acceptor
 *   OPEN    hello: group, nonce, facts, entry  ──▶   is in the group, and lets the peer in by its tickets
 *                                              ◀──   ACCEPT  challenge: nonce, proof, facts, entry
 *   believes the proof
 *   MESSAGE finish: proof                      ──▶   believes the proof: bonded
 *   bonded                                     ◀──   MESSAGE welcome
 * ```
 *
 * A proof covers the group, both peer ids (which the transport has verified), a fresh number of each side, and what both
 * say of themselves; its label says which side made it. So it cannot be replayed, reflected, relayed, or used to bring
 * down what two sides agree on (ISO/IEC 9798-4, three-pass mutual authentication with a cryptographic check function).
 */
export class DiallerHandshake {
  readonly #options: HandshakeOptions
  readonly #facts: SideFacts
  #proof: Uint8Array | undefined

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#facts = factsOf(options)
  }

  /** @param entry This node's signed entry. */
  hello(entry: Uint8Array): Record<string, unknown> {
    const { group, nonce } = this.#options
    return { ...this.#facts, group: bytesOf(group), nonce, entry }
  }

  /** Judges what the acceptor has answered. */
  hear(payload: unknown): (BondTerms & Pick<Challenge, 'entry'>) | HandshakeFailure {
    const said = readChallenge(payload)
    if (said === undefined) return 'malformed'
    const { proofKey, group, self, peer, nonce } = this.#options
    const transcript = transcriptOf({
      group,
      dialler: { peer: self, nonce, facts: this.#facts },
      acceptor: { peer, nonce: said.nonce, facts: said },
    })
    if (!isProof(proofKey, 'acceptor', transcript, said.proof)) return 'unproven'
    this.#proof = proofOf(proofKey, 'dialler', transcript)
    return { ...termsOf(proofKey, transcript, this.#facts, said), entry: said.entry }
  }

  /** To be said after the acceptor was believed; undefined before: nothing is proven to anybody until then. */
  get finish(): Record<string, unknown> | undefined {
    return this.#proof && { type: 'finish', proof: this.#proof }
  }
}

/** The acceptor's part: made when it is in the group that the hello names. Pure. */
export class AcceptorHandshake {
  readonly #options: HandshakeOptions
  readonly #facts: SideFacts
  readonly #hello: Hello
  readonly #transcript: Uint8Array

  constructor(hello: Hello, options: HandshakeOptions) {
    const { group, self, peer, nonce } = options
    this.#options = options
    this.#facts = factsOf(options)
    this.#hello = hello
    this.#transcript = transcriptOf({
      group,
      dialler: { peer, nonce: hello.nonce, facts: hello },
      acceptor: { peer: self, nonce, facts: this.#facts },
    })
  }

  /** @param entry This node's signed entry. */
  challenge(entry: Uint8Array): Record<string, unknown> {
    const { nonce, proofKey } = this.#options
    return { ...this.#facts, nonce, proof: proofOf(proofKey, 'acceptor', this.#transcript), entry }
  }

  /** Judges the dialler's last message. */
  hear(message: unknown): BondTerms | HandshakeFailure {
    const said = readFinish(message)
    if (said === undefined) return 'malformed'
    const { proofKey } = this.#options
    if (!isProof(proofKey, 'dialler', this.#transcript, said.proof)) return 'unproven'
    return termsOf(proofKey, this.#transcript, this.#facts, this.#hello)
  }
}

interface Side {
  readonly peer: PeerId
  readonly nonce: Uint8Array
  readonly facts: SideFacts
}

function factsOf({ incarnation, role, capabilities = [] }: HandshakeOptions): SideFacts {
  return { version: BOND_VERSION, capabilities: [...new Set(capabilities)].sort(), incarnation, role }
}

/** Every part has a fixed length, so that no two transcripts run together. */
function transcriptOf(parts: {
  readonly group: GroupId
  readonly dialler: Side
  readonly acceptor: Side
}): Uint8Array {
  const { group, dialler, acceptor } = parts
  const sides = [dialler, acceptor].flatMap(({ peer, nonce, facts }) => [
    bytesOf(peer),
    nonce,
    digestOf(facts),
  ])
  return concatBytes(bytesOf(group), ...sides)
}

function digestOf({ version, capabilities, incarnation, role }: SideFacts): Uint8Array {
  return createHash('sha256')
    .update(encode([version, capabilities, incarnation, role]))
    .digest()
}

function mac(key: Uint8Array, label: string, transcript: Uint8Array): Uint8Array {
  // The label ends in a zero byte, which no label has within it.
  const input = concatBytes(encodeUtf8(`${label}\0`), transcript)
  return new Uint8Array(createHmac('sha256', key).update(input).digest())
}

function proofOf(key: Uint8Array, side: 'dialler' | 'acceptor', transcript: Uint8Array): Uint8Array {
  return mac(key, side, transcript)
}

function isProof(
  key: Uint8Array,
  side: 'dialler' | 'acceptor',
  transcript: Uint8Array,
  proof: Uint8Array,
): boolean {
  return proof.byteLength === PROOF_BYTES && timingSafeEqual(proofOf(key, side, transcript), proof)
}

function termsOf(key: Uint8Array, transcript: Uint8Array, own: SideFacts, theirs: SideFacts): BondTerms {
  const { incarnation, role } = theirs
  const shared = own.capabilities.filter((capability) => theirs.capabilities.includes(capability))
  return { id: digestFromRaw(mac(key, 'bond', transcript)), incarnation, role, capabilities: shared }
}

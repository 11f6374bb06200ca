import { z } from 'zod'
import { digestFromRaw, type GroupId } from '#framework/primitives'

/** The version of bonds that is spoken here. */
export const BOND_VERSION = 1

/** The length of the number that each side draws for a handshake, and of the proofs; in bytes. */
export const NONCE_BYTES = 32
export const PROOF_BYTES = 32

const CAPABILITIES_MAX = 32

const bytes = (length: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.byteLength === length,
    `expected ${length} bytes`,
  )
const signedEntry = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes')

/** What each side says of itself. Both proofs cover it: nobody in between could have changed a word. */
const facts = z.object({
  version: z.literal(BOND_VERSION),
  /** What the side can do beyond the version, sorted. What both can do is done. */
  capabilities: z.array(z.string().min(1).max(64)).max(CAPABILITIES_MAX),
  /** Which life of its storage the member is: 8 bytes, hexadecimal. */
  incarnation: z.string().regex(/^[0-9a-f]{16}$/),
  role: z.enum(['member', 'reader']),
})

/** The dialler's first message, which comes with the opening of the link. Unknown fields are let through, for newer peers. */
const hello = facts.extend({
  group: bytes(32).transform((raw): GroupId => digestFromRaw(raw)),
  nonce: bytes(NONCE_BYTES),
  /** The dialler's signed entry, with its tickets: the acceptor need not have heard of it before. */
  entry: signedEntry,
})

/** The acceptor's answer. */
const challenge = facts.extend({ nonce: bytes(NONCE_BYTES), proof: bytes(PROOF_BYTES), entry: signedEntry })

/** The dialler's proof. */
const finish = z.object({ type: z.literal('finish'), proof: bytes(PROOF_BYTES) })

/** The acceptor's last word: the bond is there. */
export const WELCOME = Object.freeze({ type: 'welcome' })
export const welcome = z.object({ type: z.literal('welcome') })

export type SideFacts = z.output<typeof facts>
export type Hello = z.output<typeof hello>
export type Challenge = z.output<typeof challenge>
export type Finish = z.output<typeof finish>

/** Each reads what the other side has said; undefined when it is not that message. */
export const readHello = (payload: unknown): Hello | undefined => hello.safeParse(payload).data
export const readChallenge = (payload: unknown): Challenge | undefined => challenge.safeParse(payload).data
export const readFinish = (payload: unknown): Finish | undefined => finish.safeParse(payload).data

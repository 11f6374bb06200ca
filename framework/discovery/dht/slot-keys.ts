import { Identity } from '#framework/network'
import { bytesOf, derive, digestFromRaw, type Digest } from '#framework/primitives'

/** How many slots a network has. */
export const SLOTS = 16

/** How many further slots there are in each epoch, for when all the others have been taken away from the network. */
export const EPOCH_SLOTS = 8

/** How long an epoch lasts, in milliseconds. About as long as the Mainline DHT keeps a value (BEP 5, BEP 44: two hours). */
export const EPOCH_MS = 3_600_000

/**
 * The seeds of a network's slots: the first is the root, and each next one is BLAKE3(previous ‖ previous). A seed makes
 * an Ed25519 key pair; the public half names a mutable item of the Mainline DHT (BEP 44), which every member can write,
 * because every member can derive the private half.
 */
export function slotSeeds(root: Digest, count = SLOTS): Digest[] {
  const seeds = [root]
  while (seeds.length < count) {
    const last = seeds.at(-1)!
    seeds.push(derive(last, bytesOf(last)))
  }
  return seeds
}

/** The seeds of the slots that exist in one epoch only; nobody can tell from one epoch which those of another are. */
export function epochSeeds(root: Digest, epoch: number): Digest[] {
  return slotSeeds(derive(root, `mosaik/discovery/dht/epoch/${epoch}`), EPOCH_SLOTS)
}

/** @param nowMs Unix time. */
export function epochAt(nowMs: number): number {
  return Math.floor(nowMs / EPOCH_MS)
}

/** What everything about a network's slots is derived from: of its id and, when it is closed, of its secret. */
export function slotRoot({ rendezvousSeed }: { readonly rendezvousSeed: Uint8Array }): Digest {
  return digestFromRaw(rendezvousSeed)
}

/** The key pair of a slot; its `peerId` is the public half, in hexadecimal. */
export function slotKey(seed: Digest): Identity {
  return Identity.fromSeed(bytesOf(seed))
}

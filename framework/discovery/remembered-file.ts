import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { codeOf, digestFromHex, peerIdFromHex, type NetworkId, type PeerId } from '#framework/primitives'

/** A peer of an earlier life. */
export interface RememberedPeer {
  readonly peer: PeerId
  /** Multiaddrs without the peer at their end, those that have worked first. */
  readonly addresses: readonly string[]
  /** When there was a connection with it last, in Unix milliseconds. */
  readonly seenAtMs: number
}

/**
 * What is in a file of remembered peers. `missing`: there is none. `invalid`: it is torn, garbage, of another network or of
 * a later version.
 */
export type RememberedFile =
  | { readonly result: 'ok'; readonly peers: readonly RememberedPeer[] }
  | { readonly result: 'missing' }
  | { readonly result: 'invalid'; readonly why: string }

/** Bounds of what is read: a file beyond them is not ours. */
const FILE_BYTES_MAX = 1024 * 1024
const PEERS_READ_MAX = 1024
const ADDRESS_CHARS_MAX = 256

/** How many addresses of a peer are kept. */
const ADDRESSES_MAX = 8

const OWNER_ONLY = 0o600
const FOLDER_OWNER_ONLY = 0o700

/** A draft that is older was left behind by a process that was killed while it wrote, in milliseconds. */
const DRAFT_MS = 60_000

const VERSION = 1

const hex32 = z.string().regex(/^[0-9a-f]{64}$/)

const fileSchema = z.object({
  version: z.literal(VERSION),
  network: hex32.transform((text) => digestFromHex(text)),
  peers: z
    .array(
      z.object({
        peer: hex32.transform((text) => peerIdFromHex(text)),
        addresses: z.array(z.string().max(ADDRESS_CHARS_MAX)).max(64),
        seenAtMs: z.number().min(0),
      }),
    )
    .max(PEERS_READ_MAX),
})

/** Where the peers of a network are remembered in a folder. */
export function rememberedFileIn(folder: string, network: NetworkId): string {
  return join(folder, `peers-${network.slice(0, 16)}.json`)
}

/** @throws The system's error, when there is a file that cannot be read. */
export async function readRemembered(file: string, network: NetworkId): Promise<RememberedFile> {
  let text
  try {
    text = await readBounded(file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { result: 'missing' }
    throw error
  }
  if (text === undefined) return { result: 'invalid', why: `it has more than ${FILE_BYTES_MAX} bytes` }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { result: 'invalid', why: 'it is no JSON' }
  }
  const parsed = fileSchema.safeParse(value)
  if (!parsed.success) {
    return { result: 'invalid', why: `it is not of version ${VERSION}: ${z.prettifyError(parsed.error)}` }
  }
  if (parsed.data.network !== network) return { result: 'invalid', why: 'it is of another network' }
  return { result: 'ok', peers: parsed.data.peers }
}

/**
 * Writes the whole file under another name first and then exchanges it, so that whoever reads it, also after a crash, finds
 * the old one or the new one. Only its owner may read it: it says whom this node talks to.
 *
 * @throws The system's error; the old file is as it was then.
 */
export async function writeRemembered(
  file: string,
  network: NetworkId,
  peers: readonly RememberedPeer[],
): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: FOLDER_OWNER_ONLY })
  const text = JSON.stringify({ version: VERSION, network, peers }, undefined, 2)
  const draft = `${file}.${randomUUID()}`
  try {
    const handle = await open(draft, 'wx', OWNER_ONLY)
    try {
      await handle.writeFile(`${text}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, file)
  } catch (error) {
    await unlink(draft).catch(() => undefined)
    throw error
  }
}

/** Removes what writers have left behind that were killed. */
export async function removeOldDrafts(file: string, nowMs: number): Promise<void> {
  const prefix = `${basename(file)}.`
  const names = await readdir(dirname(file)).catch(() => [])
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const draft = join(dirname(file), name)
    const mtimeMs = await stat(draft).then(
      (found) => found.mtimeMs,
      () => nowMs,
    )
    if (mtimeMs + DRAFT_MS < nowMs) await unlink(draft).catch(() => undefined)
  }
}

/** Which peers to remember of those that several lives and processes have seen. */
export interface MergeLimits {
  readonly peersMax: number
  /** A peer that was seen longer ago is forgotten, in milliseconds. */
  readonly maxAgeMs: number
}

/**
 * Joins what is remembered: of each peer the latest sighting, the latest peers first. A sighting from the future, by a clock
 * that was wrong, counts as of now. Pure.
 */
export function mergeRemembered(
  lists: readonly (readonly RememberedPeer[])[],
  { peersMax, maxAgeMs }: MergeLimits,
  nowMs: number,
): RememberedPeer[] {
  const latest = new Map<PeerId, RememberedPeer>()
  for (const { peer, addresses, seenAtMs } of lists.flat()) {
    const seen = { peer, addresses: addresses.slice(0, ADDRESSES_MAX), seenAtMs: Math.min(seenAtMs, nowMs) }
    const known = latest.get(peer)
    if (seen.addresses.length === 0 || seen.seenAtMs + maxAgeMs <= nowMs) continue
    if (!known || known.seenAtMs < seen.seenAtMs) latest.set(peer, seen)
  }
  return [...latest.values()].toSorted((a, b) => b.seenAtMs - a.seenAtMs).slice(0, peersMax)
}

/** The text of the file, or nothing when it is too long to be one of ours. */
async function readBounded(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    if (size > FILE_BYTES_MAX) return undefined
    const buffer = Buffer.alloc(size)
    const { bytesRead } = await handle.read(buffer, 0, size, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

import { randomUUID } from 'node:crypto'
import { constants, link, mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import {
  MosaikError,
  codeOf,
  fromHex,
  isMosaikError,
  messageOf,
  systemRandom,
  toHex,
} from '#framework/primitives'

export const SEED_BYTES = 32

const FILE_NAME = 'identity.key'
const OWNER_ONLY = 0o600
const FOLDER_OWNER_ONLY = 0o700
const OTHERS = 0o077
/** More than 64 characters and a line end, so that a file which is no key is not read to its end. */
const READ_BYTES_MAX = 128

/** Reads the seed that a folder keeps, or makes one. See `Identity.fromFolder` for the errors. */
export async function seedFromFolder(folder: string): Promise<Uint8Array> {
  const file = join(folder, FILE_NAME)
  try {
    return (await readSeed(file)) ?? (await makeSeed(folder, file))
  } catch (cause) {
    if (isMosaikError(cause)) throw cause
    throw failure('IDENTITY_KEY_UNREADABLE', file, messageOf(cause), cause)
  }
}

/** Reads the seed that a file keeps. See `Identity.fromFile` for the errors. */
export async function seedFromFile(file: string): Promise<Uint8Array> {
  try {
    const seed = await readSeed(file)
    if (seed === undefined) throw failure('IDENTITY_KEY_MISSING', file, 'there is no such key file')
    return seed
  } catch (cause) {
    if (isMosaikError(cause)) throw cause
    throw failure('IDENTITY_KEY_UNREADABLE', file, messageOf(cause), cause)
  }
}

/** Keeps a seed in a new file. See `Identity.toNewFile` for the errors. */
export async function seedToNewFile(seed: Uint8Array, file: string): Promise<void> {
  let isNew
  try {
    isNew = await writeSeed(seed, file)
  } catch (cause) {
    throw failure('IDENTITY_KEY_UNWRITABLE', file, messageOf(cause), cause)
  }
  if (!isNew)
    throw failure('IDENTITY_KEY_EXISTS', file, 'there is something already, which is not overwritten')
}

/** The seed, or nothing when there is no file. Looks at the opened file, so that it cannot be exchanged in between. */
async function readSeed(file: string): Promise<Uint8Array | undefined> {
  let handle
  try {
    // Opening a pipe without this waits until somebody writes to it.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw failure('IDENTITY_KEY_UNREADABLE', file, 'this is no file')
    const { mode } = stats
    if ((mode & OTHERS) !== 0 && process.platform !== 'win32') {
      const octal = (mode & 0o777).toString(8)
      throw failure('IDENTITY_KEY_EXPOSED', file, `others may read this key (mode ${octal}): chmod 600 it`)
    }
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(READ_BYTES_MAX), 0, READ_BYTES_MAX, 0)
    const text = buffer.toString('latin1', 0, bytesRead).trimEnd()
    if (!/^[0-9a-f]{64}$/i.test(text)) {
      throw failure('IDENTITY_KEY_MALFORMED', file, 'a key is 64 hexadecimal characters')
    }
    return fromHex(text.toLowerCase())
  } finally {
    await handle.close()
  }
}

async function makeSeed(folder: string, file: string): Promise<Uint8Array> {
  await mkdir(folder, { recursive: true, mode: FOLDER_OWNER_ONLY })
  const seed = systemRandom.bytes(SEED_BYTES)
  if (await writeSeed(seed, file)) return seed
  const theirs = await readSeed(file)
  if (theirs === undefined) throw failure('IDENTITY_KEY_UNREADABLE', file, 'it came and went')
  return theirs
}

/**
 * Writes the whole key under another name first: nobody ever reads half of one, and the first to link it wins. False when
 * there is something under that name already.
 */
async function writeSeed(seed: Uint8Array, file: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`
  const handle = await open(draft, 'wx', OWNER_ONLY)
  try {
    await handle.writeFile(`${toHex(seed)}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return false
  } finally {
    await unlink(draft)
  }
}

function failure(code: string, file: string, text: string, cause?: unknown): MosaikError {
  return new MosaikError(code, `${file}: ${text}`, {
    ...(cause !== undefined && { cause }),
    details: { file },
  })
}

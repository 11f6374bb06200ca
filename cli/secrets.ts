// Where commands take secrets from: a variable, a file that others cannot read, standard input. Never a manifest, and not
// the command line, where every user of the machine can read them.
import { open } from 'node:fs/promises'
import { stdin } from 'node:process'
import { complain } from './output.js'
import { codeOf, isMosaikError, messageOf, MosaikError } from '#framework/primitives'

/** Where a secret is. At most one of the two is given. */
export interface SecretSource {
  /** Name of the environment variable that holds it. */
  readonly env?: string
  /** Path of the file that holds it; `-` is standard input. */
  readonly file?: string
}

const secretBytesMax = 4_096
const othersMay = 0o077

/**
 * Reads a secret; undefined when there is no source. White space at its end is no part of it: editors and `echo` add a
 * line break.
 *
 * @throws MosaikError `SECRET_ENV_UNSET`, `SECRET_FILE_EXPOSED` (others may read it), `SECRET_FILE_UNREADABLE`,
 *   `SECRET_EMPTY`, `SECRET_TOO_LONG` (more than 4096 bytes). None of them repeats the secret.
 */
export async function readSecret({ env, file }: SecretSource): Promise<string | undefined> {
  if (env !== undefined) return checked(fromVariable(env), `the variable ${env}`)
  if (file === undefined) return undefined
  if (file === '-') return checked(await fromStdin(), 'standard input')
  return checked(await fromFile(file), file)
}

function fromVariable(name: string): string {
  const value = process.env[name]
  if (value === undefined) {
    throw new MosaikError('SECRET_ENV_UNSET', `the variable ${name}, which is to hold a secret, is not set`)
  }
  return value
}

async function fromFile(file: string): Promise<string> {
  try {
    await using handle = await open(file, 'r')
    const { mode } = await handle.stat()
    if ((mode & othersMay) !== 0 && process.platform !== 'win32') {
      const octal = (mode & 0o777).toString(8)
      throw new MosaikError(
        'SECRET_FILE_EXPOSED',
        `${file}: others may read this secret (mode ${octal}): chmod 600 it`,
      )
    }
    const { bytesRead, buffer } = await handle.read(
      Buffer.alloc(secretBytesMax + 1),
      0,
      secretBytesMax + 1,
      0,
    )
    return buffer.toString('utf8', 0, bytesRead)
  } catch (cause) {
    if (isMosaikError(cause)) throw cause
    const why = codeOf(cause) === 'ENOENT' ? 'there is no such file' : messageOf(cause)
    throw new MosaikError('SECRET_FILE_UNREADABLE', `${file}: ${why}`, { cause })
  }
}

async function fromStdin(): Promise<string> {
  if (stdin.isTTY) complain('Type it, then a line break and Ctrl-D:')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    const data = Buffer.from(chunk as Buffer)
    chunks.push(data)
    bytes += data.length
    if (bytes > secretBytesMax) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

function checked(text: string, where: string): string {
  const secret = text.trimEnd()
  if (secret === '') throw new MosaikError('SECRET_EMPTY', `${where} holds no secret`)
  if (Buffer.byteLength(secret) > secretBytesMax)
    throw new MosaikError('SECRET_TOO_LONG', `${where} holds more than ${secretBytesMax} bytes`)
  return secret
}

// Identities that are made from a text, for those who cannot keep a file.
import { scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { MosaikError } from '#framework/primitives'

/** The same text must give the same identity for ever, so neither the label nor the costs may change. */
const label = 'mosaik/identity/scrypt/1'
/** 128 MiB and about half a second (RFC 7914): guessing texts has to be expensive, because peer ids are public. */
const costs = { N: 2 ** 17, r: 8, p: 1, maxmem: 192 * 1024 * 1024 }
const seedBytes = 32
const textLengthMin = 12

const derive = promisify<string, string, number, typeof costs, Buffer>(scrypt)

/**
 * The seed of an identity that a text stands for.
 *
 * @throws MosaikError `SEED_TEXT_SHORT` for fewer than 12 characters; `SEED_TEXT_IS_KEY` for what looks like a key in
 *   hexadecimal, whole or cut: it would silently become another identity than the one that it was meant to be.
 */
export async function seedFromText(text: string): Promise<Uint8Array> {
  if (/^(0x)?[0-9a-f]{16,}$/i.test(text)) {
    throw new MosaikError(
      'SEED_TEXT_IS_KEY',
      'this looks like a key in hexadecimal, and a text was expected: a key of 64 characters belongs into a file of its own',
    )
  }
  if (text.length < textLengthMin)
    throw new MosaikError(
      'SEED_TEXT_SHORT',
      `a text of fewer than ${textLengthMin} characters can be guessed`,
    )
  return derive(text.normalize('NFC'), label, seedBytes, costs)
}

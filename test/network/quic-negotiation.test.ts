import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Answer, proposalOf, readProposal, refusal } from '../../framework/network/quic/negotiation.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const join = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts)
const textOf = (given: Uint8Array): string => Buffer.from(given).toString()
/** Names of protocols, some too long for a length of one byte. */
const protocols = fc
  .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 300 })
  .map((name) => `/${name.replaceAll('\n', '')}`)

describe('what an opener says that does not wait for an answer', () => {
  test('is on the wire as multistream-select has it: the version and the protocol, each a line with its length', () => {
    expect(textOf(proposalOf('/a/1'))).toBe('\x13/multistream/1.0.0\n\x05/a/1\n')
    expect(textOf(refusal())).toBe('\x13/multistream/1.0.0\n\x03na\n')
  })

  test('whatever the protocol and whatever follows, is read as it was said', () => {
    const somebody = fc.uint8Array({ minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(protocols, somebody, (protocol, rest) => {
        const read = readProposal(join(proposalOf(protocol), rest))
        expect(read?.protocol).toBe(protocol)
        expect(Buffer.compare(read!.rest, rest)).toBe(0)
      }),
    )
  })

  test.each([125, 126, 127, 128, 255, 256, 1023])(
    'given a line of %i bytes, its length is read as it was written',
    (length) => {
      const protocol = 'p'.repeat(length - 1)
      expect(readProposal(join(proposalOf(protocol), bytes('more')))?.protocol).toBe(protocol)
    },
  )

  test('is nothing as long as anything of it is missing, or nothing follows: then an answer is awaited', () => {
    const whole = proposalOf('/a/1')
    for (let length = 0; length <= whole.byteLength; length++) {
      expect(readProposal(whole.subarray(0, length))).toBeUndefined()
    }
  })

  test('is nothing when it is something else', () => {
    const line = (text: string): Uint8Array => bytes(`${String.fromCharCode(text.length)}${text}`)
    const version = line('/multistream/1.0.0\n')
    for (const given of [
      join(line('/multistream/2.0.0\n'), line('/a/1\n'), bytes('more')),
      join(version, bytes('\x00more')),
      join(version, line('/a/1 '), bytes('more')),
      join(version, new Uint8Array([0xff, 0xff]), new Uint8Array(20_000)),
    ]) {
      expect(readProposal(given)).toBeUndefined()
    }
  })

  test('whatever the bytes, reading them ends and never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (given) => void readProposal(given)))
  })
})

describe('the answer to it', () => {
  test('however it is cut into pieces, is taken off what follows', () => {
    fc.assert(
      fc.property(
        protocols,
        fc.uint8Array({ maxLength: 20 }),
        fc.integer({ min: 1, max: 9 }),
        (protocol, rest, step) => {
          const said = proposalOf(protocol)
          const answer = new Answer(said)
          const all = join(said, rest)
          const behind: Uint8Array[] = []
          for (let at = 0; at < all.byteLength; at += step) {
            behind.push(answer.read(all.subarray(at, at + step)).slice())
            expect(answer.isHeard).toBe(at + step >= said.byteLength)
          }
          expect(Buffer.compare(join(...behind), rest)).toBe(0)
        },
      ),
    )
  })

  test('that the protocol is unknown, is told from one that is no answer', () => {
    expect(() => new Answer(proposalOf('/a/1')).read(refusal())).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_UNKNOWN' }),
    )
    expect(() => new Answer(proposalOf('/a/1')).read(bytes('HTTP/1.1 400 Bad Request'))).toThrow(
      expect.objectContaining({ code: 'NEGOTIATION_FAILED' }),
    )
  })
})

import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { digestOf, seededRandom, type PeerId } from '#framework/primitives'
import { GroupKey } from '../../../framework/groups/bond/group-key.js'
import {
  AcceptorHandshake,
  DiallerHandshake,
  type HandshakeOptions,
} from '../../../framework/groups/bond/handshake.js'
import { readHello, type Hello } from '../../../framework/groups/bond/handshake-messages.js'

const alice = 'aa'.repeat(32) as PeerId
const bob = 'bb'.repeat(32) as PeerId
const mallory = 'cc'.repeat(32) as PeerId
const key = GroupKey.random(seededRandom('key'))
const entry = new Uint8Array([1, 2, 3])
const random = seededRandom('nonces')

/** What one side brings; of the same group as the other, unless told. */
function side(self: PeerId, peer: PeerId, changes: Partial<HandshakeOptions> = {}): HandshakeOptions {
  return {
    proofKey: key.proofKey,
    group: digestOf('group'),
    self,
    peer,
    nonce: random.bytes(32),
    incarnation: self.slice(0, 16),
    role: 'member',
    ...changes,
  }
}

type Message = Record<string, unknown>

/** The three messages of a handshake, each as the network delivers it. */
function run(
  diallerOptions: HandshakeOptions,
  acceptorOptions: HandshakeOptions,
  deliver: {
    hello?: (m: Message) => Message
    challenge?: (m: Message) => Message
    finish?: (m: Message) => Message
  } = {},
) {
  const same = (message: Message): Message => message
  const { hello = same, challenge = same, finish = same } = deliver
  const dialler = new DiallerHandshake(diallerOptions)
  const heard = readHello(hello(dialler.hello(entry)))
  if (heard === undefined) return { dialler: 'unread', acceptor: 'unread' }
  const acceptor = new AcceptorHandshake(heard, acceptorOptions)
  const atDialler = dialler.hear(challenge(acceptor.challenge(entry)))
  const proof = dialler.finish
  const atAcceptor = proof === undefined ? 'nothing' : acceptor.hear(finish(proof))
  return { dialler: atDialler, acceptor: atAcceptor }
}

describe('a handshake of two members', () => {
  test('then both know each other, by one id that nobody else has', () => {
    const { dialler, acceptor } = run(
      side(alice, bob, { capabilities: ['x', 'y', 'x'] }),
      side(bob, alice, { capabilities: ['z', 'y'], role: 'reader' }),
    )
    expect(dialler).toMatchObject({ incarnation: 'bb'.repeat(8), role: 'reader', capabilities: ['y'], entry })
    expect(acceptor).toMatchObject({ incarnation: 'aa'.repeat(8), role: 'member', capabilities: ['y'] })
    expect((dialler as { id: string }).id).toBe((acceptor as { id: string }).id)
  })

  test('when there is another one, then its id is another', () => {
    const ids = [1, 2, 3].map(() => (run(side(alice, bob), side(bob, alice)).dialler as { id: string }).id)
    expect(new Set(ids).size).toBe(3)
  })

  test('then nothing is proven by the dialler before it believes the acceptor', () => {
    const dialler = new DiallerHandshake(side(alice, bob))
    expect(JSON.stringify(dialler.hello(entry))).not.toContain('proof')
    expect(dialler.finish).toBeUndefined()
    expect(dialler.hear({ anything: 'else' })).toBe('malformed')
    expect(dialler.finish).toBeUndefined()
  })
})

describe('W-B11: a proof', () => {
  test.each<[string, HandshakeOptions, HandshakeOptions]>([
    ['another key', side(alice, bob), side(bob, alice, { proofKey: GroupKey.random().proofKey })],
    ['another group', side(alice, bob), side(bob, alice, { group: digestOf('other') })],
    ['somebody between who is the acceptor to the dialler', side(alice, mallory), side(bob, alice)],
    ['somebody between who is the dialler to the acceptor', side(alice, bob), side(bob, mallory)],
  ])('given %s, then the dialler does not believe the acceptor, and says no more', (_, dialler, acceptor) => {
    expect(run(dialler, acceptor)).toEqual({ dialler: 'unproven', acceptor: 'nothing' })
  })

  test('given a dialler without the key that is told it is believed, then the acceptor does not believe it', () => {
    const acceptor = new AcceptorHandshake(helloOf(alice), side(bob, alice))
    acceptor.challenge(entry)
    const forged = { type: 'finish', proof: new Uint8Array(32) }
    expect(acceptor.hear(forged)).toBe('unproven')
  })

  test("given the acceptor's own proof as the dialler's, then it is not believed: no reflection", () => {
    const acceptor = new AcceptorHandshake(helloOf(alice), side(bob, alice))
    const { proof } = acceptor.challenge(entry)
    expect(acceptor.hear({ type: 'finish', proof })).toBe('unproven')
  })

  test('given the messages of an earlier handshake, then none of them is worth anything in a later one: no replay', () => {
    const dialler = new DiallerHandshake(side(alice, bob))
    const hello = readHello(dialler.hello(entry))!
    const first = new AcceptorHandshake(hello, side(bob, alice))
    const challenge = first.challenge(entry)
    expect(dialler.hear(challenge)).toMatchObject({ role: 'member' })
    const finish = dialler.finish
    expect(first.hear(finish)).toMatchObject({ role: 'member' })

    const second = new AcceptorHandshake(hello, side(bob, alice))
    second.challenge(entry)
    expect(second.hear(finish)).toBe('unproven')
    expect(new DiallerHandshake(side(alice, bob)).hear(challenge)).toBe('unproven')
  })

  test('given a group key, then its id and its proofs come from different keys', () => {
    expect(key.proofKey).not.toEqual(key.idKey)
    expect([key.idKey, key.proofKey].map((each) => Buffer.from(each).toString('hex'))).not.toContain(
      key.toHex(),
    )
  })
})

describe('given somebody who changes a message on its way', () => {
  const facts = fc.oneof(
    fc.record({ incarnation: fc.constant('00'.repeat(8)) }),
    fc.record({ role: fc.constant('reader') }),
    fc.record({
      capabilities: fc.array(fc.string({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ nonce: fc.uint8Array({ minLength: 32, maxLength: 32 }) }),
    fc.record({ version: fc.integer({ min: 2, max: 9 }) }),
  )
  const change = fc.oneof(
    facts,
    fc.record({ proof: fc.uint8Array({ minLength: 32, maxLength: 32 }) }),
    fc.record({ proof: fc.uint8Array({ maxLength: 31 }) }),
  )

  test.each(['hello', 'challenge', 'finish'] as const)(
    'when it is the %s, then no bond comes about',
    (which) => {
      fc.assert(
        fc.property(which === 'hello' ? facts : change, (changes) => {
          const proofOnly = which === 'finish' && !('proof' in changes)
          fc.pre(!proofOnly)
          const deliver = { [which]: (message: Message): Message => ({ ...message, ...changes }) }
          const { acceptor, dialler } = run(side(alice, bob), side(bob, alice), deliver)
          // The last one to hear something is never convinced, and nobody who was not has given a proof.
          return typeof acceptor === 'string' && (which === 'finish' || typeof dialler === 'string')
        }),
        { numRuns: 200 },
      )
    },
  )

  test('when it leaves out or garbles any field of the hello, then it is not read', () => {
    const hello = new DiallerHandshake(side(alice, bob)).hello(entry)
    for (const field of Object.keys(hello)) {
      expect(readHello({ ...hello, [field]: undefined })).toBeUndefined()
      expect(readHello({ ...hello, [field]: { not: 'this' } })).toBeUndefined()
    }
    expect(readHello(undefined)).toBeUndefined()
    expect(
      readHello({ ...hello, capabilities: Array.from({ length: 33 }, (_, n) => `${n}`) }),
    ).toBeUndefined()
  })

  test('when a newer peer says more than this one knows, then that does no harm', () => {
    const more = (message: Message): Message => ({ ...message, later: 1 })
    const { dialler, acceptor } = run(side(alice, bob), side(bob, alice), {
      hello: more,
      challenge: more,
      finish: more,
    })
    expect(dialler).toMatchObject({ role: 'member' })
    expect(acceptor).toMatchObject({ role: 'member' })
  })
})

function helloOf(self: PeerId): Hello {
  return readHello(new DiallerHandshake(side(self, bob)).hello(entry))!
}

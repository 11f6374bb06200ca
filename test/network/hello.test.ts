import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { decode, digestOf, encode, seededRandom, toHex, type PeerId } from '#framework/primitives'
import { Identity, NetworkKey } from '#framework/network'
import { AcceptorGreeting, DiallerGreeting } from '../../framework/network/greeting.js'

const network = digestOf('my-app')
const SECRET = 'e9b1f6d2c0a84753'
const [alice, bob, carol] = ['a', 'b', 'c'].map((seed) => Identity.random(seededRandom(seed)).peerId) as [
  PeerId,
  PeerId,
  PeerId,
]
const nonce = (seed: string): Uint8Array => seededRandom(seed).bytes(32)
const introduction = { instance: 'first', observed: '/ip4/127.0.0.1/udp/4001/quic-v1' }

/** Alice dials Bob; both say their part as far as they believe each other. */
function greetings(keys: { dialler: NetworkKey; acceptor: NetworkKey }, seeds = ['x', 'y']) {
  const dialler = new DiallerGreeting({ key: keys.dialler, self: alice, peer: bob, nonce: nonce(seeds[0]!) })
  const acceptor = AcceptorGreeting.of(overTheWire(dialler.opening), {
    key: keys.acceptor,
    self: bob,
    peer: alice,
    nonce: nonce(seeds[1]!),
  })!
  return { dialler, acceptor }
}

function overTheWire(value: unknown): unknown {
  return decode(encode(value))
}

describe('the key of a network', () => {
  test('given no secret, its id is the id of the network; given one, another, and a third for another secret', () => {
    expect(new NetworkKey(network).id).toBe(network)
    const closed = new NetworkKey(network, SECRET).id
    expect(closed).toBe(new NetworkKey(network, new TextEncoder().encode(SECRET)).id)
    const ids = [
      network,
      closed,
      new NetworkKey(network, `${SECRET}!`).id,
      new NetworkKey(digestOf('other'), SECRET).id,
    ]
    expect(new Set(ids).size).toBe(4)
  })

  test('given the same name and secret, is the same in every release', () => {
    const key = new NetworkKey(network, SECRET)
    expect(key.id).toBe('24baeaf56f9bd8d2d29c521d8bf4b9afb33f8cffa813a01e2fbda8f1a84d0205')
    expect(toHex(key.rendezvousSeed)).toBe('b45f711ebb6c2a6e7a214fed4196b88f0fe3b8da79d87820ffed9af002210bc1')
    expect(key.greetingId(alice, bob)).toBe(
      'c5548a7362da11a270ef305e879f53bcd44fb27f94a14b3363b08abe07bd432f',
    )
    const transcript = { dialler: alice, acceptor: bob, diallerNonce: nonce('x'), acceptorNonce: nonce('y') }
    expect(toHex(key.proof('dialler', transcript))).toBe(
      '3fb3419058ac33eac86b2af8e8acddc10dbe82e1975caa8ff64840c12d9e2511',
    )
  })

  test('its greeting id differs for each pair, each direction, each network and each secret', () => {
    const key = new NetworkKey(network, SECRET)
    const ids = [
      key.greetingId(alice, bob),
      key.greetingId(bob, alice),
      key.greetingId(alice, carol),
      new NetworkKey(network).greetingId(alice, bob),
      new NetworkKey(network, `${SECRET}!`).greetingId(alice, bob),
      new NetworkKey(digestOf('other'), SECRET).greetingId(alice, bob),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).not.toContain(key.id)
  })

  test('its rendezvous seed is a copy: who changes it changes nothing for others', () => {
    const key = new NetworkKey(network, SECRET)
    const before = toHex(key.rendezvousSeed)
    key.rendezvousSeed.fill(0)
    expect(toHex(key.rendezvousSeed)).toBe(before)
    expect(before).not.toBe(key.id)
  })

  test.each([
    ['empty', ''],
    ['15 bytes long', '0123456789abcde'],
    ['one character, many times', 'a'.repeat(64)],
    ['a word, twice', 'passwordpassword'],
    ['32 zero bytes', new Uint8Array(32)],
  ])('given a secret that is %s, is refused without repeating it', (_, secret) => {
    let thrown: unknown
    try {
      new NetworkKey(network, secret)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'SECRET_WEAK' })
    if (secret.length > 0 && typeof secret === 'string') expect(String(thrown)).not.toContain(secret)
  })

  test('given 16 different bytes, is made', () => {
    expect(
      new NetworkKey(
        network,
        Uint8Array.from({ length: 16 }, (_, i) => i),
      ).id,
    ).not.toBe(network)
  })
})

describe('a greeting', () => {
  test.each([
    ['open', new NetworkKey(network)],
    ['closed', new NetworkKey(network, SECRET)],
  ])('given two members of an %s network, both believe each other and have the introductions', (_, key) => {
    const { dialler, acceptor } = greetings({ dialler: key, acceptor: key })
    expect(dialler.hear(overTheWire(acceptor.answer(introduction)))).toMatchObject(introduction)
    const confirmation = dialler.confirmation({ instance: 'second' })!
    expect(confirmation).toMatchObject({ type: 'proof', instance: 'second' })
    expect(acceptor.isConfirmedBy(confirmation.proof)).toBe(true)
  })

  test.each([
    ['another secret', new NetworkKey(network, `${SECRET}!`)],
    ['no secret', new NetworkKey(network)],
    ['another network', new NetworkKey(digestOf('other'), SECRET)],
  ])('given an acceptor with %s, the dialler does not believe it, and proves nothing to it', (_, theirs) => {
    const { dialler, acceptor } = greetings({ dialler: new NetworkKey(network, SECRET), acceptor: theirs })
    expect(dialler.hear(acceptor.answer(introduction))).toBe('unproven')
    expect(dialler.confirmation(introduction)).toBeUndefined()
  })

  test('given a dialler with another key, the acceptor does not believe it', () => {
    const key = new NetworkKey(network, SECRET)
    const other = new NetworkKey(network, `${SECRET}!`)
    const { acceptor } = greetings({ dialler: other, acceptor: key })
    const transcript = { dialler: alice, acceptor: bob, diallerNonce: nonce('x'), acceptorNonce: nonce('y') }
    expect(acceptor.isConfirmedBy(other.proof('dialler', transcript))).toBe(false)
    expect(acceptor.isConfirmedBy(key.proof('dialler', transcript))).toBe(true)
  })

  test('reflection: given the proof that the acceptor itself has made, it is not a proof of the dialler', () => {
    const key = new NetworkKey(network, SECRET)
    const { acceptor } = greetings({ dialler: key, acceptor: key })
    expect(acceptor.isConfirmedBy(acceptor.answer(introduction).proof)).toBe(false)
  })

  test('replay: given what was said on one connection, nobody believes it on the next', () => {
    const key = new NetworkKey(network, SECRET)
    const first = greetings({ dialler: key, acceptor: key })
    const answer = first.acceptor.answer(introduction)
    first.dialler.hear(answer)
    const { proof } = first.dialler.confirmation(introduction)!

    const second = greetings({ dialler: key, acceptor: key }, ['other x', 'other y'])
    expect(second.dialler.hear(answer)).toBe('unproven')
    expect(second.acceptor.isConfirmedBy(proof)).toBe(false)
    // Even when the one who replays repeats its own number too: the other side's is new.
    expect(greetings({ dialler: key, acceptor: key }, ['x', 'z']).acceptor.isConfirmedBy(proof)).toBe(false)
  })

  test('given any part of the transcript changed, no proof is good', () => {
    const key = new NetworkKey(network, SECRET)
    const transcript = { dialler: alice, acceptor: bob, diallerNonce: nonce('x'), acceptorNonce: nonce('y') }
    const proof = key.proof('dialler', transcript)
    const changes = [
      { dialler: carol },
      { acceptor: carol },
      { dialler: bob, acceptor: alice },
      { diallerNonce: nonce('z') },
      { acceptorNonce: nonce('z') },
      { diallerNonce: nonce('y'), acceptorNonce: nonce('x') },
    ]
    for (const change of changes) {
      expect(key.isProof('dialler', { ...transcript, ...change }, proof)).toBe(false)
    }
    expect(key.isProof('acceptor', transcript, proof)).toBe(false)
    for (const length of [0, 31]) {
      expect(key.isProof('dialler', transcript, proof.subarray(0, length))).toBe(false)
    }
    fc.assert(
      fc.property(fc.nat(31), fc.nat(7), (at, bit) => {
        const bent = proof.slice()
        bent[at]! ^= 1 << bit
        expect(key.isProof('dialler', transcript, bent)).toBe(false)
      }),
    )
    expect(key.isProof('dialler', transcript, proof)).toBe(true)
  })

  test.each([
    ['nothing', undefined],
    ['no number', {}],
    ['a short number', { nonce: new Uint8Array(31) }],
    ['text for a number', { nonce: 'x'.repeat(32) }],
  ])('given an opening with %s, it is malformed', (_, payload) => {
    const options = { key: new NetworkKey(network), self: bob, peer: alice, nonce: nonce('y') }
    expect(AcceptorGreeting.of(payload, options)).toBeUndefined()
  })

  test.each([
    ['no proof', { proof: undefined }],
    ['a short proof', { proof: new Uint8Array(31) }],
    ['no instance', { instance: '' }],
    ['a very long address', { observed: 'x'.repeat(257) }],
  ])('given an answer with %s, it is malformed', (_, change) => {
    const key = new NetworkKey(network)
    const { dialler, acceptor } = greetings({ dialler: key, acceptor: key })
    expect(dialler.hear({ ...acceptor.answer(introduction), ...change })).toBe('malformed')
  })

  test('N-14: given fields that only a later version knows, the greeting goes well all the same', () => {
    const key = new NetworkKey(network)
    const { dialler, acceptor } = greetings({ dialler: key, acceptor: key })
    expect(dialler.hear({ ...acceptor.answer(introduction), colour: 'blue' })).toMatchObject(introduction)
  })
})

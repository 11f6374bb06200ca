import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { PeerId } from '#framework/primitives'
import { DialArbiter, type Attempt } from '../../../framework/groups/bond/dial-arbiter.js'

const small = '11'.repeat(32) as PeerId
const large = 'ee'.repeat(32) as PeerId

describe('an arbiter of handshakes', () => {
  test('W-B2: given a handshake with a peer that is under way, then there is no second dial', () => {
    const arbiter = new DialArbiter(small)
    const attempt = arbiter.dial(large)!
    expect(arbiter.dial(large)).toBeUndefined()
    arbiter.end(attempt)
    expect(arbiter.dial(large)).toBeDefined()
    expect(arbiter.size).toBe(1)
  })

  test('W-B2: given a hello that is being answered, then the peer is not dialled', () => {
    const arbiter = new DialArbiter(small)
    expect(arbiter.answer(large)).toHaveProperty('attempt')
    expect(arbiter.dial(large)).toBeUndefined()
  })

  test('W-B1: given two peers that dial each other, then the smaller refuses and the larger gives up its own', () => {
    const [s, l] = [new DialArbiter(small), new DialArbiter(large)]
    const [fromSmall, fromLarge] = [s.dial(large)!, l.dial(small)!]
    expect(s.answer(large)).toEqual({ refused: 'our-dial-wins' })
    const answer = l.answer(small)
    expect(answer).toMatchObject({ displaced: fromLarge, attempt: { side: 'acceptor' } })
    expect(s.isCurrent(fromSmall)).toBe(true)
    expect(l.isCurrent(fromLarge)).toBe(false)
    l.end(fromLarge)
    expect(l.size).toBe(1)
  })

  test('given a peer that begins anew while it is answered, then the new one counts', () => {
    const arbiter = new DialArbiter(small)
    const first = arbiter.answer(large) as { attempt: Attempt }
    const second = arbiter.answer(large) as { attempt: Attempt; displaced: Attempt }
    expect(second.displaced).toBe(first.attempt)
    expect([first, second].map(({ attempt }) => arbiter.isCurrent(attempt))).toEqual([false, true])
  })

  // The two ends of a pair of peers with the messages between them in flight, delivered in any order.
  test('W-B1: given any interleaving of dials, hellos and answers, then the two end up with one and the same bond, or none and nothing under way', () => {
    const step = fc.nat({ max: 1_000 })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (choices) => {
        const pair = new Pair()
        for (const choice of choices) pair.step(choice)
        while (pair.deliverNext(0));
        return pair.agree
      }),
      { numRuns: 2_000 },
    )
  })
})

interface Message {
  readonly to: 0 | 1
  readonly kind: 'hello' | 'challenge' | 'finish' | 'welcome' | 'refused'
  readonly dial: number
}

/** Two peers, each with an arbiter, that exchange the messages of handshakes. A bond is the number of its dial. */
class Pair {
  readonly #arbiters = [new DialArbiter(small), new DialArbiter(large)] as const
  readonly #peers = [small, large] as const
  readonly #bonds: [number | undefined, number | undefined] = [undefined, undefined]
  readonly #attempts: [Map<number, Attempt>, Map<number, Attempt>] = [new Map(), new Map()]
  /** By dial: messages of one link arrive in order, those of different links do not. */
  readonly #links = new Map<string, Message[]>()
  #dials = 0

  step(choice: number): void {
    if (choice % 4 < 2) this.#dial((choice % 2) as 0 | 1)
    else this.deliverNext(choice >> 2)
  }

  get agree(): boolean {
    return this.#bonds[0] === this.#bonds[1] && this.#arbiters.every(({ size }) => size === 0)
  }

  #dial(who: 0 | 1): void {
    if (this.#bonds[who] !== undefined) return
    const attempt = this.#arbiters[who].dial(this.#peers[1 - who]!)
    if (attempt === undefined) return
    const dial = ++this.#dials
    this.#attempts[who].set(dial, attempt)
    this.#send({ to: (1 - who) as 0 | 1, kind: 'hello', dial })
  }

  deliverNext(choice: number): boolean {
    const links = [...this.#links.values()].filter((queue) => queue.length > 0)
    if (links.length === 0) return false
    this.#deliver(links[choice % links.length]!.shift()!)
    return true
  }

  #send(message: Message): void {
    const link = `${message.dial} ${message.to}`
    this.#links.set(link, [...(this.#links.get(link) ?? []), message])
  }

  #deliver({ to, kind, dial }: Message): void {
    const arbiter = this.#arbiters[to]
    const attempts = this.#attempts[to]
    const reply = (what: Message['kind']): void => this.#send({ to: (1 - to) as 0 | 1, kind: what, dial })
    if (kind === 'hello') {
      const answer = arbiter.answer(this.#peers[1 - to]!)
      if ('refused' in answer) return reply('refused')
      if (answer.displaced) this.#giveUp(to, answer.displaced)
      attempts.set(dial, answer.attempt)
      return reply('challenge')
    }
    const attempt = attempts.get(dial)
    if (attempt === undefined || !arbiter.isCurrent(attempt)) {
      if (kind !== 'refused') reply('refused')
      // A bond that the other side does not keep is closed by it.
      if (kind === 'refused' && this.#bonds[to] === dial) this.#bonds[to] = undefined
      return
    }
    if (kind === 'challenge') return reply('finish')
    arbiter.end(attempt)
    attempts.delete(dial)
    if (kind === 'refused') return
    const replaced = this.#bonds[to]
    this.#bonds[to] = dial
    if (replaced !== undefined) this.#send({ to: (1 - to) as 0 | 1, kind: 'refused', dial: replaced })
    if (kind === 'finish') reply('welcome')
  }

  #giveUp(who: 0 | 1, attempt: Attempt): void {
    for (const [dial, other] of this.#attempts[who]) {
      if (other !== attempt) continue
      this.#attempts[who].delete(dial)
      this.#send({ to: (1 - who) as 0 | 1, kind: 'refused', dial })
    }
  }
}

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Expiration, PeerEntry, Ticket, TicketValidator } from '#framework/discovery'
import { derive, digestOf, encodeUtf8, type PeerId } from '#framework/primitives'

/**
 * Issues tickets that name their peer and the time until which they are good, signed with a secret: the least that a
 * real kind of ticket has.
 */
export class TestIssuer {
  readonly #secret: string
  /** How often a ticket was looked at, by peer. */
  readonly looks = new Map<PeerId, number>()
  readonly validator: TicketValidator

  constructor(secret: string) {
    this.#secret = secret
    const ticketClass = digestOf(`test.issuer.${secret}`)
    this.validator = {
      class: ticketClass,
      signature: derive(ticketClass, encodeUtf8(secret)),
      validate: (data, entry) => this.#judge(data, entry),
    }
  }

  /** @param until In Unix milliseconds. */
  issue(peer: PeerId, until: Expiration): Ticket {
    const claim = `${peer} ${until}`
    return { class: this.validator.class, data: encodeUtf8(`${claim} ${this.#sign(claim)}`) }
  }

  #judge(data: Uint8Array, { peer }: PeerEntry): Expiration | 'invalid' {
    this.looks.set(peer, (this.looks.get(peer) ?? 0) + 1)
    const [owner = '', until = '', signature = ''] = new TextDecoder().decode(data).split(' ')
    const expected = encodeUtf8(this.#sign(`${owner} ${until}`))
    const shown = encodeUtf8(signature)
    if (shown.byteLength !== expected.byteLength || !timingSafeEqual(shown, expected)) return 'invalid'
    if (owner !== peer) return 'invalid'
    return until === 'never' ? 'never' : Number(until)
  }

  #sign(claim: string): string {
    return createHmac('sha256', this.#secret).update(claim).digest('hex')
  }
}

import { CloseReasons, closeReason } from '#framework/network'
import {
  messageOf,
  type Counter,
  type Digest,
  type MetricsRegistry,
  type PeerId,
} from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import { bondMetrics } from '../bond/metrics.js'
import { frameBytesMaxOf } from '../bond/lanes.js'
import { decodeBundle, encodeBundle, partBytesMax, partHeadBytes } from '../wire/bundle.js'
import { BUNDLE, CONSENSUS, controlMessage } from '../wire/control.js'
import { MalformedMessageError } from '../wire/message-bytes.js'

/** As much of a bond as its messages need to travel with those of others. */
export type BundledBond = Pick<Bond, 'id' | 'peer' | 'capabilities' | 'end' | 'send' | 'close'>

/** What a member says in the handshake if it takes bundles. */
export const bundling = 'bundles'

/** Without the byte of the frame and that of the tag. */
const bundleBytesMax = frameBytesMaxOf('control') - 2

interface Waiting {
  readonly bond: BundledBond
  readonly message: Uint8Array
}

/** The bonds with one peer, and what was said on them in this turn. */
interface Companions {
  readonly bonds: Set<BundledBond>
  waiting: Waiting[]
  waitingBytes: number
}

/**
 * Lets what the groups of a node say to the same peer in one turn travel in one frame, on the bond of any of them: a
 * hundred idle groups between three nodes, whose heartbeats are due at the same time, then cost little more than one
 * (coalesced heartbeats, as CockroachDB and TiKV call them). Each part names its bond, which nobody but its two ends can, so
 * it says exactly what it would have said there. Parts may overtake what travels on their own bond, or be overtaken.
 */
export class Bundles {
  readonly #bonds = new Map<Digest, { readonly bond: BundledBond; take(message: Uint8Array): void }>()
  readonly #companions = new Map<PeerId, Companions>()
  readonly #stray: Counter
  #isFlushDue = false

  constructor(metrics: MetricsRegistry) {
    this.#stray = metrics.counter(bondMetrics.strayMessages)
  }

  /** @param deliver Takes in a message that came for the bond. Throwing says that it is none, and ends the bond (400). */
  add(bond: BundledBond, deliver: (message: Uint8Array) => void): void {
    if (!bond.capabilities.includes(bundling)) return
    const take = (message: Uint8Array): void => {
      try {
        deliver(message)
      } catch (error) {
        void bond.close(closeReason(CloseReasons.ProtocolViolation, messageOf(error)))
      }
    }
    this.#bonds.set(bond.id, { bond, take })
    const companions = this.#companions.get(bond.peer) ?? { bonds: new Set(), waiting: [], waitingBytes: 0 }
    this.#companions.set(bond.peer, companions)
    companions.bonds.add(bond)
  }

  remove(bond: BundledBond): void {
    this.#bonds.delete(bond.id)
    const companions = this.#companions.get(bond.peer)
    if (companions?.bonds.delete(bond) && companions.bonds.size === 0) this.#companions.delete(bond.peer)
  }

  /** Sends a message of consensus that may be lost, and arrive in any order. */
  send(bond: BundledBond, message: Uint8Array): void {
    const companions = this.#companions.get(bond.peer)
    const isInCompany = companions?.bonds.has(bond) === true && companions.bonds.size > 1
    if (!isInCompany || message.byteLength > partBytesMax) return sendAlone({ bond, message })
    const byteLength = partHeadBytes + message.byteLength
    if (companions.waitingBytes + byteLength > bundleBytesMax) this.#sendWaiting(companions)
    companions.waiting.push({ bond, message })
    companions.waitingBytes += byteLength
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    // Members say what they have to say in microtasks of their own, all of which were due before this one.
    queueMicrotask(() => this.#flush())
  }

  /**
   * Takes apart what a bond has carried.
   *
   * @throws MalformedMessageError for what is no bundle, or names a bond with somebody else.
   */
  receive(carrier: BundledBond, bundle: Uint8Array): void {
    for (const { bond: id, message } of decodeBundle(bundle)) {
      const known = this.#bonds.get(id)
      // It is over on this side, or not there yet.
      if (known === undefined) this.#stray.add()
      else if (known.bond.peer !== carrier.peer) throw new MalformedMessageError('a bond with somebody else')
      else known.take(message)
    }
  }

  #flush(): void {
    this.#isFlushDue = false
    for (const companions of this.#companions.values()) this.#sendWaiting(companions)
  }

  #sendWaiting(companions: Companions): void {
    // What was for a bond that is over since is lost with it.
    const parts = companions.waiting.filter(({ bond }) => bond.end === undefined)
    companions.waiting = []
    companions.waitingBytes = 0
    if (parts.length === 0) return
    if (parts.length === 1) return sendAlone(parts[0]!)
    const bundle = encodeBundle(parts.map(({ bond, message }) => ({ bond: bond.id, message })))
    const message = controlMessage(BUNDLE, bundle)
    // Any of them will do; one may have too much waiting already.
    parts.some(({ bond }) => bond.send('control', message) === 'sent')
  }
}

function sendAlone({ bond, message }: Waiting): void {
  bond.send('control', controlMessage(CONSENSUS, message))
}

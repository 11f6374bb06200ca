import { MosaikError } from '#framework/primitives'
import { parseAddress, peerOf, transportOf, withoutPeer } from '../addresses.js'
import { defaultRelayLimits, type RelayLimits } from '../relay/relay-limits.js'
import type { RelayTarget } from '../relay/reservation-plan.js'

/** Whether a host is a relay, and whether it uses any. */
export interface RelayOptions {
  /** Lets members of the network reach each other over this node; which is of use where they can reach it. Default false. */
  readonly serve?: boolean | Partial<RelayLimits>
  /**
   * The relays over which this node is to be reachable, until it is found that it can be dialled without: multiaddrs
   * ending in `/p2p/<relay>`, the best first; two of them are used at a time. `auto` takes them from discovery: any
   * member that serves as one, as soon as it is found that this node cannot be dialled. Default: none.
   */
  readonly via?: readonly string[] | 'auto'
}

/** Checked options. */
export interface RelayPlan {
  /** Undefined when this node is no relay. */
  readonly serve: RelayLimits | undefined
  readonly via: readonly RelayTarget[] | 'auto' | undefined
}

/**
 * Checks options.
 *
 * @throws {MosaikError} `RELAY_INVALID` for limits that allow nothing, and for a relay that is not named or is itself
 *   behind one.
 */
export function planOf({ serve = false, via }: RelayOptions = {}): RelayPlan {
  return {
    serve: serve === false ? undefined : checkedLimits(serve === true ? {} : serve),
    via: via === undefined || via === 'auto' ? via : targetsOf(via),
  }
}

function checkedLimits(given: Partial<RelayLimits>): RelayLimits {
  const limits = { ...defaultRelayLimits, ...given }
  for (const [name, value] of Object.entries(limits)) {
    if (Number.isSafeInteger(value) && value > 0) continue
    throw new MosaikError(
      'RELAY_INVALID',
      `${name} of a relay is a positive whole number, not ${String(value)}`,
    )
  }
  return limits
}

function targetsOf(addresses: readonly string[]): RelayTarget[] {
  const targets = new Map<string, RelayTarget>()
  for (const text of addresses) {
    const address = parseAddress(text)
    const peer = peerOf(address)
    const invalid = (why: string): MosaikError =>
      new MosaikError('RELAY_INVALID', `the relay ${text} ${why}`, { details: { address: text } })
    if (peer === undefined)
      throw invalid('does not end in /p2p/<relay>: without its key, anybody could answer for it')
    const kind = transportOf(address)
    if (kind === undefined || kind === 'relay') throw invalid('cannot be dialled directly')
    const known = targets.get(peer)?.addresses ?? []
    targets.set(peer, { peer, addresses: [...known, withoutPeer(address)] })
  }
  return [...targets.values()]
}

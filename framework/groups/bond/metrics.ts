import { CloseReasons, type CloseReason } from '#framework/network'
import {
  shortId,
  type Counter,
  type CounterHandle,
  type GroupId,
  type MetricDefinition,
  type MetricsRegistry,
} from '#framework/primitives'
import type { BondEnd } from './bond.js'
import { BondCloseReasons } from './close-reasons.js'
import type { Attempt } from './dial-arbiter.js'
import type { Lane } from './lanes.js'

/** Every metric of bonds. Groups are labelled with their short id. */
export const bondMetrics = {
  groups: { name: 'mosaik_groups', help: 'Groups that this node is in.' },
  quiescent: {
    name: 'mosaik_groups_quiescent',
    help: 'Of these, those that do without heartbeats because nothing happens in them.',
  },
  bonds: { name: 'mosaik_group_bonds', help: 'Bonds of this node.', labels: ['group'] },
  handshakes: {
    name: 'mosaik_group_handshakes_total',
    help: 'Handshakes that are over, by the side this node was on and what came of them.',
    labels: ['group', 'side', 'result'],
  },
  ended: {
    name: 'mosaik_group_bonds_ended_total',
    help: 'Bonds that have ended: this node left, or the peer (departed); tickets (not_allowed), silence (timeout), a later bond (superseded), a message that is none (violation), the network (lost), or another reason of the peer (closed).',
    labels: ['group', 'cause'],
  },
  sentBytes: {
    name: 'mosaik_group_bond_sent_bytes_total',
    help: 'Bytes of messages that were accepted for sending, framing included, pings not.',
    labels: ['group', 'lane'],
  },
  sentMessages: {
    name: 'mosaik_group_bond_sent_messages_total',
    help: 'Messages that were accepted for sending, once for each bond. What several groups say together counts for the group whose bond carries it.',
    labels: ['group', 'lane'],
  },
  receivedBytes: {
    name: 'mosaik_group_bond_received_bytes_total',
    help: 'Bytes of messages that arrived, without framing.',
    labels: ['group', 'lane'],
  },
  receivedMessages: {
    name: 'mosaik_group_bond_received_messages_total',
    help: 'Messages that arrived.',
    labels: ['group', 'lane'],
  },
  refusedMessages: {
    name: 'mosaik_group_bond_refused_messages_total',
    help: 'Messages that were refused because too much waited already.',
    labels: ['group', 'lane'],
  },
  strayMessages: {
    name: 'mosaik_group_stray_messages_total',
    help: 'Messages that came together with those of other groups, for a bond that is over or not there yet.',
  },
} as const satisfies Record<string, MetricDefinition>

/** What came of a handshake, as metrics call it. */
export type HandshakeResult =
  | 'bonded'
  | 'malformed'
  | 'unknown_peer'
  | 'not_allowed'
  | 'no_group'
  | 'proof'
  | 'timeout'
  | 'already_bonded'
  | 'capacity'
  | 'unreachable'

const results: ReadonlyMap<number, HandshakeResult> = new Map([
  [BondCloseReasons.InvalidHandshake.code, 'malformed'],
  [CloseReasons.UnknownPeer.code, 'unknown_peer'],
  [BondCloseReasons.NotAllowed.code, 'not_allowed'],
  [BondCloseReasons.GroupNotFound.code, 'no_group'],
  [BondCloseReasons.InvalidProof.code, 'proof'],
  [BondCloseReasons.Timeout.code, 'timeout'],
  [CloseReasons.Timeout.code, 'timeout'],
  [BondCloseReasons.AlreadyBonded.code, 'already_bonded'],
  [BondCloseReasons.NoCapacity.code, 'capacity'],
])

/** The result that a reason to end a handshake stands for. */
export function resultOf({ code }: CloseReason): HandshakeResult {
  return results.get(code) ?? 'unreachable'
}

type EndCause =
  'left' | 'departed' | 'not_allowed' | 'timeout' | 'superseded' | 'violation' | 'lost' | 'closed'

const causes: ReadonlyMap<number, EndCause> = new Map([
  [BondCloseReasons.NotAllowed.code, 'not_allowed'],
  [BondCloseReasons.Timeout.code, 'timeout'],
  [BondCloseReasons.AlreadyBonded.code, 'superseded'],
  [CloseReasons.ProtocolViolation.code, 'violation'],
])

function causeOf({ reason, by }: BondEnd): EndCause {
  if (by === 'transport') return 'lost'
  if (reason.code === CloseReasons.GracefulShutdown.code) return by === 'local' ? 'left' : 'departed'
  return causes.get(reason.code) ?? 'closed'
}

/** What the bonds of one group count. The series are gone when it lets go of them. */
export interface BondCounters extends Disposable {
  sent(lane: Lane, byteLength: number): void
  received(lane: Lane, byteLength: number): void
  refused(lane: Lane): void
  ended(end: BondEnd): void
}

/** The metrics of one node's bonds in its registry. */
export class BondMetrics {
  readonly #registry: MetricsRegistry
  readonly #handshakes: Counter
  readonly #ended: Counter

  constructor(registry: MetricsRegistry) {
    this.#registry = registry
    this.#handshakes = registry.counter(bondMetrics.handshakes)
    this.#ended = registry.counter(bondMetrics.ended)
  }

  /** @param group Undefined for one that this node is not in: others must not make up series. */
  handshake(group: GroupId | undefined, side: Attempt['side'], result: HandshakeResult): void {
    this.#handshakes.add(1, { group: group === undefined ? 'none' : shortId(group), side, result })
  }

  forGroup(group: GroupId): BondCounters {
    const of = (definition: MetricDefinition): Record<Lane, CounterHandle> => {
      const counter = this.#registry.counter(definition)
      const series = (lane: Lane): CounterHandle => counter.with({ group: shortId(group), lane })
      return {
        control: series('control'),
        bulk: series('bulk'),
        sync: series('sync'),
        forward: series('forward'),
      }
    }
    const sentBytes = of(bondMetrics.sentBytes)
    const sentMessages = of(bondMetrics.sentMessages)
    const receivedBytes = of(bondMetrics.receivedBytes)
    const receivedMessages = of(bondMetrics.receivedMessages)
    const refused = of(bondMetrics.refusedMessages)
    return {
      sent: (lane, byteLength) => {
        sentBytes[lane].add(byteLength)
        sentMessages[lane].add()
      },
      received: (lane, byteLength) => {
        receivedBytes[lane].add(byteLength)
        receivedMessages[lane].add()
      },
      refused: (lane) => refused[lane].add(),
      ended: (end) => this.#ended.add(1, { group: shortId(group), cause: causeOf(end) }),
      [Symbol.dispose]: () => {
        for (const lanes of [sentBytes, sentMessages, receivedBytes, receivedMessages, refused]) {
          for (const handle of Object.values(lanes)) handle.remove()
        }
      },
    }
  }

  /** Has the gauges ask for their values whenever they are read, until the returned function is called. */
  mirror(bondCounts: () => Iterable<readonly [group: GroupId, count: number]>): () => void {
    const stops = [
      this.#registry.gauge(bondMetrics.groups).collect(() => [...bondCounts()].length),
      this.#registry
        .gauge(bondMetrics.bonds)
        .collect(() =>
          [...bondCounts()].map(([group, count]) => [{ group: shortId(group) }, count] as const),
        ),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }
}

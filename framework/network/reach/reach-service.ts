import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import {
  TaskScope,
  Watch,
  type MetricsRegistry,
  type PeerId,
  type ReadonlyWatch,
} from '#framework/primitives'
import { inDialOrder, parseAddress, withPeer } from '../addresses.js'
import { Circuits, type ReachRelay } from '../relay/circuits.js'
import { RelayServer } from '../relay/relay-server.js'
import { Reservations } from '../relay/reservations.js'
import { ReachMetrics } from './metrics.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { Listening } from '../listening.js'
import type { RelayTarget } from '../relay/reservation-plan.js'
import type { RelayPlan } from './reach-options.js'

export interface ReachParts {
  readonly context: HostContext
  readonly connections: Connections
  readonly listening: Listening
  readonly metrics: MetricsRegistry
  readonly relay: RelayPlan
  /** Finds or makes an admitted connection to a relay. */
  readonly reachRelay: ReachRelay
}

/** Where a node can be reached, and what it does in order to be: the owner of its relays and of what it publishes. */
export class ReachService {
  readonly #context: HostContext
  readonly #listening: Listening
  readonly #plan: RelayPlan
  readonly #circuits: Circuits
  readonly #reservations: Reservations
  readonly #server: RelayServer | undefined
  readonly #addresses: Watch<readonly string[]>
  readonly #own: Watch<readonly string[]>
  readonly #scope = new TaskScope()

  constructor({ context, connections, listening, metrics, relay, reachRelay }: ReachParts) {
    this.#context = context
    this.#listening = listening
    this.#plan = relay
    const counts = new ReachMetrics(metrics)
    this.#reservations = new Reservations(context, connections, counts, reachRelay)
    this.#circuits = new Circuits(context, connections, counts, reachRelay, (peer) =>
      this.#reservations.isHeld(peer),
    )
    this.#own = new Watch<readonly string[]>(this.#listening.addresses.map(String))
    this.#addresses = new Watch<readonly string[]>(this.#published())
    this.#server =
      relay.serve && new RelayServer(context, connections, counts, relay.serve, this.#own.asReadonly())
    this.#reservations.addresses.subscribe(() => this.#publish())
  }

  /** Multiaddrs at which this node can be dialled, each ending in its peer id, the best first. */
  get addresses(): ReadonlyWatch<readonly string[]> {
    return this.#addresses.asReadonly()
  }

  /** Whether others can be reached over this node. */
  get isRelay(): boolean {
    return this.#server !== undefined
  }

  async start(): Promise<void> {
    await this.#server?.start()
    const { via } = this.#plan
    if (via === undefined) return
    await this.#circuits.serve()
    if (via === 'auto') return
    this.#reservations.setTargets(via)
    this.#reservations.want(true)
  }

  /** The relays that discovery knows of, the best first. They count when the host was told to take them from there. */
  setRelays(targets: readonly RelayTarget[]): void {
    if (this.#plan.via === 'auto') this.#reservations.setTargets(targets)
  }

  /** Connects to a peer over a relay. @throws As {@link Circuits.dial}. */
  dialRelayed(address: Multiaddr, signal: AbortSignal): Promise<Connection> {
    return this.#circuits.dial(address, signal)
  }

  async close(): Promise<void> {
    await this.#scope.close()
    await this.#reservations.close()
    await this.#circuits.close()
    await this.#server?.close()
    this.#own.end()
    this.#addresses.end()
  }

  #publish(): void {
    const next = this.#published()
    const before = this.#addresses.value
    if (next.length !== before.length || next.some((address, i) => address !== before[i]))
      this.#addresses.set(next)
  }

  #published(): string[] {
    const { peerId }: { peerId: PeerId } = this.#context.identity
    const all = [...this.#own.value, ...this.#reservations.addresses.value].map(parseAddress)
    return inDialOrder(all).map((address) => withPeer(address, peerId))
  }
}

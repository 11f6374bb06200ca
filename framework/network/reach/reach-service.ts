import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Watch, type MetricsRegistry, type PeerId, type ReadonlyWatch } from '#framework/primitives'
import { inDialOrder, parseAddress, withPeer } from '../addresses.js'
import { Circuits, type ReachRelay } from '../relay/circuits.js'
import { RelayServer } from '../relay/relay-server.js'
import { Reservations } from '../relay/reservations.js'
import { endpointOf, scopeOf } from './address-scope.js'
import { InterfaceWatch } from './interface-watch.js'
import { ReachMetrics } from './metrics.js'
import { ProbeServer } from './probe-server.js'
import { Prober } from './prober.js'
import { Puncher, type PuncherParts } from './puncher.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'
import type { LinkService } from '../link-service.js'
import type { Listening } from '../listening.js'
import type { PeerConnection } from '../peer-connection.js'
import type { RelayTarget } from '../relay/reservation-plan.js'
import type { RelayPlan } from './reach-options.js'
import type { Reachability } from './reachability.js'

export interface ReachParts {
  readonly context: HostContext
  readonly connections: Connections
  readonly links: LinkService
  readonly listening: Listening
  readonly metrics: MetricsRegistry
  readonly relay: RelayPlan
  /** Finds or makes an admitted connection to a relay. */
  readonly reachRelay: ReachRelay
  readonly dial: PuncherParts['dial']
  readonly addressesOf: PuncherParts['addressesOf']
}

/**
 * Where a node can be reached, and what it does in order to be: finds out whether it can be dialled, keeps places at
 * relays while it cannot, and says which addresses to publish.
 */
export class ReachService {
  readonly #context: HostContext
  readonly #listening: Listening
  readonly #plan: RelayPlan
  readonly #circuits: Circuits
  readonly #reservations: Reservations
  readonly #server: RelayServer | undefined
  readonly #prober: Prober
  readonly #probeServer: ProbeServer
  readonly #puncher: Puncher
  readonly #interfaces: InterfaceWatch | undefined
  /** What the listeners listen on, and what leads there from outside; without the peer id. */
  readonly #own: Watch<readonly string[]>
  readonly #addresses: Watch<readonly string[]>

  constructor(parts: ReachParts) {
    const { context, connections, links, listening, metrics, relay, reachRelay } = parts
    this.#context = context
    this.#listening = listening
    this.#plan = relay
    const counts = new ReachMetrics(metrics)
    this.#reservations = new Reservations(context, connections, counts, reachRelay)
    this.#circuits = new Circuits(context, connections, counts, reachRelay, (peer) =>
      this.#reservations.isHeld(peer),
    )
    this.#prober = new Prober(context, connections, links, counts, () => this.#listened())
    this.#probeServer = new ProbeServer(context, connections, links, counts)
    this.#own = new Watch<readonly string[]>(this.#listened())
    this.#addresses = new Watch<readonly string[]>(this.#published())
    this.#server =
      relay.serve && new RelayServer(context, connections, counts, relay.serve, this.#own.asReadonly())
    const { dial, addressesOf } = parts
    this.#puncher = new Puncher({
      context,
      connections,
      links,
      metrics: counts,
      own: () => this.#own.value,
      dial,
      addressesOf,
    })
    this.#interfaces = listening.isOnAllInterfaces
      ? new InterfaceWatch(context.clock, () => this.#onInterfaces())
      : undefined
    this.#reservations.addresses.subscribe(() => this.#publish())
    this.#prober.external.subscribe(() => {
      this.#publish()
      this.#needRelays()
    })
    this.#prober.reachability.subscribe(() => this.#needRelays())
  }

  /** Multiaddrs at which this node can be dialled, each ending in its peer id, the best first. */
  get addresses(): ReadonlyWatch<readonly string[]> {
    return this.#addresses.asReadonly()
  }

  get reachability(): ReadonlyWatch<Reachability> {
    return this.#prober.reachability
  }

  /** Whether others can be reached over this node. */
  get isRelay(): boolean {
    return this.#server !== undefined
  }

  /** Whether it takes the relays that discovery knows of. */
  get takesRelays(): boolean {
    return this.#plan.via === 'auto'
  }

  /** The peers whose connections must stay: the relays in use, and those who use this one. */
  get needed(): readonly PeerId[] {
    return [...this.#reservations.relays, ...(this.#server?.clients ?? [])]
  }

  async start(): Promise<void> {
    await this.#server?.start()
    const { via } = this.#plan
    if (via === undefined) return
    await this.#circuits.serve()
    if (via === 'auto') return
    // Who names relays wants to be reachable at once, not when somebody has tried in vain.
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

  /** The connection to use for a new link. @throws As {@link Puncher.settled}. */
  settled(connection: PeerConnection, signal: AbortSignal): Promise<PeerConnection> {
    return this.#puncher.settled(connection, signal)
  }

  async close(): Promise<void> {
    this.#interfaces?.[Symbol.dispose]()
    this.#probeServer.close()
    await this.#puncher.close()
    await this.#prober.close()
    await this.#reservations.close()
    await this.#circuits.close()
    await this.#server?.close()
    this.#own.end()
    this.#addresses.end()
  }

  /** Decides whether places at relays are needed. */
  #needRelays(): void {
    const { status } = this.#prober.reachability.value
    if (this.#plan.via === undefined) return
    // That a peer has dialled this node is of use to others once they are told where.
    if (status === 'public' && this.#own.value.some(isPublic)) this.#reservations.want(false)
    // When it is not known any more, a place that is held is kept: it does no harm.
    else if (status !== 'unknown' || this.#plan.via !== 'auto') this.#reservations.want(true)
  }

  #onInterfaces(): void {
    this.#publish()
    this.#prober.moved('the addresses of this machine have changed')
  }

  #listened(): string[] {
    return this.#listening.addresses.map(String)
  }

  #publish(): void {
    setIfDifferent(this.#own, [...new Set([...this.#listened(), ...this.#prober.external.value])])
    setIfDifferent(this.#addresses, this.#published())
  }

  #published(): string[] {
    const { peerId } = this.#context.identity
    const all = [...this.#own.value, ...this.#reservations.addresses.value].map(parseAddress)
    return inDialOrder(all).map((address) => withPeer(address, peerId))
  }
}

function setIfDifferent(watch: Watch<readonly string[]>, next: readonly string[]): void {
  const before = watch.value
  if (next.length !== before.length || next.some((text, i) => text !== before[i])) watch.set(next)
}

function isPublic(text: string): boolean {
  const endpoint = endpointOf(parseAddress(text))
  return endpoint !== undefined && scopeOf(endpoint.ip) === 'world'
}

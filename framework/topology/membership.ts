import {
  digestOf,
  MosaikError,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type Logger,
  type Random,
} from '#framework/primitives'
import { Host, Identity, libp2pPeerId, type NetworkLimits, type RelayOptions } from '#framework/network'
import {
  Discovery,
  dht,
  mdns,
  remembered,
  seeds as seedsAt,
  type BootstrapSource,
  type DhtOptions,
} from '#framework/discovery'

/** By which means a node finds peers, besides its seeds and being found; and which of them it chooses. */
export interface DiscoverySwitches {
  /** Multicast DNS, which tells the local network that one is there. Default: false. */
  readonly mdns?: boolean
  /**
   * The Mainline DHT of BitTorrent, in which one then is published as well; with settings of its own or the defaults.
   * Default: false.
   */
  readonly dht?: boolean | Pick<DhtOptions, 'bootstrap' | 'bind' | 'port' | 'addressScope'>
  /** The peers of the last run, which the folder `data` keeps. Default: whether there is one. */
  readonly remember?: boolean
  /** Peers with a longer round trip are not chosen where there is a choice; in milliseconds. Default: no limit. */
  readonly maxRttMs?: number
}

/** What it takes to be a peer of a network. */
export interface JoinOptions {
  /** Name of the network to take part in. */
  readonly network: string
  /** Default: the one that `data` keeps, else a new random one. */
  readonly identity?: Identity
  /** A folder of the node's own, which keeps what has to outlive the process. Default: nothing is kept. */
  readonly data?: string
  /**
   * Closes the network: only peers with the same secret get in. At least 16 bytes, of chance; text counts as its UTF-8
   * bytes. Default: an open network.
   */
  readonly secret?: string | Uint8Array
  /** Multiaddrs. Default: QUIC and TCP on any free port of the loopback interface. */
  readonly listen?: readonly string[]
  /**
   * Multiaddrs to tell others instead of those that are listened on, for example of a router that forwards a port; with
   * or without the peer id at their end. Default: those that the host finds out.
   */
  readonly announce?: readonly string[]
  /** Peers to contact first: multiaddrs, or peer ids whose addresses are found by other means. Default: none. */
  readonly seeds?: readonly string[]
  readonly discovery?: DiscoverySwitches
  /** Whether to be a relay for others, and to be reached over relays. Default: neither. */
  readonly relay?: RelayOptions
  /** Names to announce. */
  readonly tags?: readonly string[]
  /** What else to announce of this node, by key: `region` and `zone` say where it is. */
  readonly labels?: Readonly<Record<string, string>>
  /** Which declared node this is. */
  readonly node?: { readonly name: string; readonly replica: number }
  readonly limits?: Partial<NetworkLimits>
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

/** A peer of a network: what is below streams and services. */
export interface Membership extends AsyncDisposable {
  readonly host: Host
  readonly discovery: Discovery
  /** Says goodbye, then ends the host. Idempotent. */
  close(): Promise<void>
}

/**
 * Joins a network, under a name only or with all that a node can be given. Resolves when the host listens: other peers
 * are found from then on, in the background. When it rejects, nothing is left running.
 *
 * @throws MosaikError `REMEMBER_WITHOUT_DATA`; what {@link Host.start}, `Identity.fromFolder` and
 *   {@link Discovery.start} throw.
 */
export async function joinNetwork(options: JoinOptions): Promise<Membership> {
  const { clock = systemClock, random = systemRandom, logger = silentLogger, data } = options
  const common = { clock, random, logger }
  if (options.discovery?.remember === true && data === undefined)
    throw new MosaikError('REMEMBER_WITHOUT_DATA', 'peers cannot be remembered without a folder for data')
  const identity = options.identity ?? (data === undefined ? undefined : await Identity.fromFolder(data))
  const host = await Host.start({
    ...common,
    network: digestOf(options.network),
    ...(identity !== undefined && { identity }),
    ...(options.secret !== undefined && { secret: options.secret }),
    ...(options.listen !== undefined && { listen: options.listen }),
    ...(options.relay !== undefined && { relay: options.relay }),
    ...(options.limits !== undefined && { limits: options.limits }),
  })
  try {
    const discovery = await Discovery.start({
      ...common,
      host,
      bootstrap: sourcesOf(options, host, common),
      tags: options.tags ?? [],
      labels: options.labels ?? {},
      ...(options.discovery?.maxRttMs !== undefined && { maxRttMs: options.discovery.maxRttMs }),
      ...(options.node !== undefined && { node: options.node }),
    })
    const { announce } = options
    if (announce !== undefined) discovery.update(() => ({ addresses: announcedBy(host, announce) }))
    return new LocalMembership(host, discovery)
  } catch (error) {
    await host.close()
    throw error
  }
}

function sourcesOf(
  { seeds = [], discovery = {}, data, announce }: JoinOptions,
  host: Host,
  common: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): readonly BootstrapSource[] {
  const sources = [seedsAt(seeds)]
  if (discovery.mdns === true) sources.push(mdns({ ...common, host }))
  if (discovery.dht !== undefined && discovery.dht !== false) {
    const settings = discovery.dht === true ? {} : discovery.dht
    sources.push(dht({ ...common, ...settings, ...(announce !== undefined && { announce }), host }))
  }
  if (data !== undefined && discovery.remember !== false)
    sources.push(remembered({ ...common, host, folder: data }))
  return sources
}

function announcedBy({ peerId }: Host, addresses: readonly string[]): readonly string[] {
  const suffix = `/p2p/${libp2pPeerId(peerId)}`
  return addresses.map((address) => (address.endsWith(suffix) ? address : address + suffix))
}

class LocalMembership implements Membership {
  readonly host: Host
  readonly discovery: Discovery
  #closing: Promise<void> | undefined

  constructor(host: Host, discovery: Discovery) {
    this.host = host
    this.discovery = discovery
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.discovery.close()
    } finally {
      await this.host.close()
    }
  }
}

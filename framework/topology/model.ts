import type { Digest, StreamId } from '#framework/primitives'

/**
 * A declared network: which nodes there are, what they run, and which streams tie them together. It is plain data that
 * survives JSON, and the only thing that checking, drawing and launching look at: decorators and manifests both produce
 * it, and nothing downstream can tell which of the two did.
 */
export interface Topology {
  /** The network's name. Nodes find each other only within one network. */
  readonly network: string
  readonly nodes: readonly NodeDeclaration[]
  /** Peers to contact first, besides the nodes declared here: multiaddrs, or peer ids alone. */
  readonly seeds: readonly string[]
  /** The host that nodes listen on when they do not say, such as `0.0.0.0`. The launcher's default is loopback. */
  readonly listen?: string
  /** Where the secret of a closed network is to be found; never the secret itself, because topologies are shown. */
  readonly secret?: SecretReference
  /** The folder in which nodes keep what outlives them, each in a folder of its own. Default: nothing is kept. */
  readonly data?: string
  readonly discovery?: DiscoveryDeclaration
  /** For nodes that do not declare their own. */
  readonly relay?: RelayDeclaration
  /** What is declared of groups in one place, instead of where services take part in them. Each name once. */
  readonly groups?: readonly GroupDeclaration[]
}

/** One of the two; neither for a secret that whoever launches has in its hands. */
export interface SecretReference {
  /** Name of an environment variable. */
  readonly env?: string
  /** Path of a file that only its owner may read. */
  readonly file?: string
}

/** How nodes find each other besides seeds and introductions; all of it is off unless declared. */
export interface DiscoveryDeclaration {
  /** By multicast DNS. */
  readonly mdns?: boolean
  /** By the Mainline DHT. */
  readonly dht?: boolean
  /** By the peers of an earlier run, which `data` keeps. Default: whether there is `data`. */
  readonly remember?: boolean
  /** Peers further away than this are not chosen; in milliseconds. Default: no limit. */
  readonly maxRttMs?: number
}

/** What the operator says of a group. It holds instead of what the services say. */
export interface GroupDeclaration {
  readonly name: string
  /** How many voters there are at most. */
  readonly voters?: number
  /** Where members keep the group. Default: `lmdb` for nodes with a data folder, else `memory`. */
  readonly storage?: GroupStorageKind
  /** How long a voter may be unreachable before another takes its place, in milliseconds. */
  readonly evictAfterMs?: number
  /** Where the group's key is to be found, 64 hexadecimal characters; never the key itself. */
  readonly key?: SecretReference
  /** Where a passphrase is to be found that the key is made of, instead of `key`. */
  readonly passphrase?: SecretReference
}

/** `memory`: a member that starts again is a new one. `lmdb`: it is the one that it was. */
export type GroupStorageKind = 'memory' | 'lmdb'

/** What a node has to do with relays. */
export interface RelayDeclaration {
  /** Whether it is one. */
  readonly serve?: boolean
  /** Over which relays it is to be reached: multiaddrs that name their peer, or any of the network. */
  readonly via?: readonly string[] | 'auto'
}

/** One kind of node. At run time it is `replicas` processes (or parts of one) that differ only in identity. */
export interface NodeDeclaration {
  /** Unique in the network; see {@link isNodeName}. */
  readonly name: string
  /** How many nodes of this kind run, at least 1. They are numbered from 0. */
  readonly replicas: number
  /** Labels that each replica announces of itself, besides those of its services. */
  readonly tags: readonly string[]
  readonly services: readonly ServiceDeclaration[]
  /** What the services' configuration is read from, before validation. */
  readonly config: Readonly<Record<string, unknown>>
  /** The files that the services come from, as the manifest wrote them. Empty for a network that is launched from code. */
  readonly use: readonly string[]
  readonly listen?: ListenDeclaration
  /** What else each replica announces, by key: `region` and `zone` say where it is. */
  readonly labels?: Readonly<Record<string, string>>
  readonly relay?: RelayDeclaration
}

/** Where a node listens: a port on the network's host (replica n takes `port + n`), or complete multiaddrs. */
export interface ListenDeclaration {
  readonly port?: number
  readonly addresses?: readonly string[]
}

/** A decorated class, reduced to what others need to know about it. */
export interface ServiceDeclaration {
  /** Unique in its node. */
  readonly name: string
  /** Labels that every node with this service announces. */
  readonly tags: readonly string[]
  readonly produces: readonly PortDeclaration[]
  readonly consumes: readonly PortDeclaration[]
  /** The keys of the node's configuration that the service reads. Absent when that is not known, so it may be any. */
  readonly configKeys?: readonly string[]
  /** The groups that the service takes part in. Absent when there are none. */
  readonly groups?: readonly GroupMembership[]
}

/** A service's part in a group. */
export interface GroupMembership {
  /** The group's name. */
  readonly group: string
  /** The signature of its state machine. Two that differ are of two groups. */
  readonly machine: string
  /** `reader`: receives everything and counts for nothing. */
  readonly role: 'member' | 'reader'
  /** The class member that declares it, for messages. */
  readonly member: string
  /** The methods that run only where the group is led, or followed; sorted. */
  readonly onLeader: readonly string[]
  readonly onFollower: readonly string[]
  /** The part of the options that survives JSON. */
  readonly options: Readonly<Record<string, unknown>>
}

/** One end of a stream at a service. */
export interface PortDeclaration {
  /** The stream's name. */
  readonly stream: string
  readonly id: StreamId
  /** Digest of the datum's schema. Two ends with different fingerprints refuse each other. */
  readonly fingerprint: Digest
  /** The datum's canonical JSON Schema as text, which the fingerprint is taken from. */
  readonly shape: string
  /** The class member that declares the port, for messages. */
  readonly member: string
  /** The part of the port's options that survives JSON; predicates appear as `true`. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Something that is wrong with a declaration, or looks wrong. */
export interface Problem {
  /** Stable, UPPER_SNAKE. */
  readonly code: string
  /** A topology with an `error` cannot run as declared; a `warning` may be what its author wants. */
  readonly severity: 'error' | 'warning'
  readonly message: string
  /** Where in the {@link Topology}, such as `['nodes', 0, 'services', 1, 'consumes', 0]`. List members go by index. */
  readonly path: readonly (string | number)[]
  /** What would most likely mend it. */
  readonly hint?: string
}

import type {
  DiscoveryDeclaration,
  GroupDeclaration,
  ListenDeclaration,
  RelayDeclaration,
  SecretReference,
} from '#framework/topology'

/** A manifest that has been read and found right: plain data, defaults filled in, references replaced. */
export interface Manifest {
  /** The name of the network. */
  readonly network: string
  /** The IP address that nodes listen on when they do not say. */
  readonly listen?: string
  /** Multiaddrs of peers to contact first. */
  readonly seeds: readonly string[]
  /** Where the network's secret is to be found. A file is relative to the manifest. */
  readonly secret?: SecretReference
  /** The folder of what nodes keep, as written: relative to the manifest. */
  readonly data?: string
  readonly discovery?: DiscoveryDeclaration
  readonly relay?: RelayDeclaration
  /** In the order of the file. */
  readonly groups?: readonly GroupDeclaration[]
  /** In the order of the file. */
  readonly nodes: readonly ManifestNode[]
}

export interface ManifestNode {
  readonly name: string
  /**
   * The files that the node's services come from, as written: relative to the manifest, with `#Name` behind them when one
   * export is meant. At least one.
   */
  readonly use: readonly string[]
  /** At least 1. */
  readonly replicas: number
  readonly tags: readonly string[]
  /** What the file says, unjudged: the services' schemas do that. Values are JSON. */
  readonly config: Readonly<Record<string, unknown>>
  readonly listen?: ListenDeclaration
  readonly labels?: Readonly<Record<string, string>>
  readonly relay?: RelayDeclaration
}

// What `mosaik up` and its node processes say to each other over the channel that Node opens between parent and child.
// Both ends are the same build, so the messages are types and not a wire format.
import type { DiscoveryDeclaration, ReplicaName } from '#framework/topology'
import type { LogLevel } from '../log-level.js'

/** `sensor-0`: how a replica is called in logs and events. The last dash always separates the replica number. */
export function replicaName(node: string, replica: number): string {
  return `${node}-${replica}`
}

export interface StartMessage {
  readonly type: 'start'
  readonly manifest: string
  readonly node: string
  readonly replica: number
  /**
   * The identity's 32-byte seed in hex, for a node without a data folder. It lives in the supervisor's memory, so a node
   * that is restarted stays the same peer.
   */
  readonly seed: string
  readonly listen: readonly string[]
  readonly seeds: readonly string[]
  /** What the command line says about finding peers, in place of the manifest. */
  readonly discovery: DiscoveryDeclaration
  /** The folder that the command line names in place of the manifest's; relative to the working directory. */
  readonly data?: string
  /** By name of the group: the replicas that found it, of the whole manifest and not only of this run. */
  readonly founders: Readonly<Record<string, readonly ReplicaName[]>>
  readonly logLevel: LogLevel
}

export type ToNode =
  StartMessage | { readonly type: 'dial'; readonly addresses: readonly string[] } | { readonly type: 'stop' }

/** A subscription that is up, named by replicas, as one end of it sees it. */
export interface EdgeReport {
  readonly stream: string
  readonly from: string
  readonly to: string
}

export type FromNode =
  | { readonly type: 'ready'; readonly peerId: string; readonly addresses: readonly string[] }
  | { readonly type: 'edges'; readonly edges: readonly EdgeReport[] }
  /** The node leads a group, in a new term or with another number of voters. */
  | { readonly type: 'leads'; readonly group: string; readonly term: number; readonly voters: number }
  | {
      readonly type: 'log'
      readonly level: LogLevel
      readonly message: string
      readonly fields: Record<string, unknown>
    }
  | { readonly type: 'display'; readonly text: string }
  /** A service says that what the run is for is done, and why it did not succeed, if so. */
  | { readonly type: 'finished'; readonly failure: string | undefined }
  | {
      readonly type: 'failed'
      readonly code: string | undefined
      readonly message: string
      /** Starting again cannot help: the declaration or the machine's configuration is wrong. */
      readonly permanent: boolean
    }

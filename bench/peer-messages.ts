// What a benchmark and its processes of nodes say to each other.

export interface PeerOrder {
  readonly network: string
  /** How many nodes this process runs. */
  readonly count: number
  /** For how many nodes in all to say when they all are known. */
  readonly totals: readonly number[]
  /** Port of the first node; 0 for one that is free. */
  readonly port: number
  readonly seeds: readonly string[]
}

export type ToPeer =
  | { readonly type: 'start'; readonly order: PeerOrder }
  | { readonly type: 'observe'; readonly seconds: number }

/** Moments are of the wall clock, in milliseconds with fractions, so that those of several processes can be compared. */
export type FromPeer =
  | { readonly type: 'listening'; readonly at: number; readonly addresses: readonly string[] }
  | { readonly type: 'complete'; readonly total: number; readonly at: number }
  | { readonly type: 'observed'; readonly idle: Idle }

/** What a process has used while it was observed. */
export interface Idle {
  /** Of one core, user and system together, over all threads. */
  readonly cpuPercent: number
  /** The part of it that the thread of JavaScript has used. */
  readonly mainThreadPercent: number
  /** How often a thread went to sleep, per second. */
  readonly wakeupsPerSecond: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly connections: number
  readonly neighbours: number
}

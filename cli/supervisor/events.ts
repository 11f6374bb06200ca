// What happens while `mosaik up` runs. `--json` prints exactly these, one a line; docs/cli.md lists them for users.
import type { ExitCode } from '../exit-codes.js'
import type { LogLevel } from '../log-level.js'

interface OfReplica {
  readonly node: string
  readonly replica: number
}

interface OfEdge {
  readonly stream: string
  /** Replica names, `sensor-0`. */
  readonly from: string
  readonly to: string
}

export type UpEvent =
  | ({
      readonly event: 'node-started'
      readonly pid: number | undefined
      readonly restartCount: number
    } & OfReplica)
  | ({
      readonly event: 'node-ready'
      readonly peerId: string
      readonly addresses: readonly string[]
    } & OfReplica)
  | ({ readonly event: 'edge-up' | 'edge-down' } & OfEdge)
  /** The node leads the group, since this term or with another number of voters than before. */
  | ({
      readonly event: 'group-leader'
      readonly group: string
      readonly term: number
      readonly voters: number
    } & OfReplica)
  /**
   * Every declared edge is up. `ms` counts from the start of the run, and, when edges were lost in between, from the moment
   * the first of them went down.
   */
  | { readonly event: 'converged'; readonly ms: number; readonly edges: number }
  | ({
      readonly event: 'node-exit'
      readonly code: number | null
      readonly signal: string | null
      /** Absent when it is not started again. */
      readonly restartInMs?: number
    } & OfReplica)
  | ({
      readonly event: 'log'
      readonly level: LogLevel
      readonly message: string
      readonly fields?: Record<string, unknown>
    } & OfReplica)
  | ({ readonly event: 'display'; readonly text: string } & OfReplica)
  | { readonly event: 'stopping'; readonly reason: string }
  | {
      readonly event: 'stopped'
      readonly exitCode: ExitCode
      readonly reason: string
      readonly lastLines?: readonly string[]
    }

/** Where a run's events go. */
export interface Reporter {
  report(event: UpEvent): void
  /** Leaves the terminal as it was found. */
  close(): void
}

/** Bugs of drivers and storages, for the simulator to find. At most one is set in a world. */
export interface DriverBugs {
  /** Snapshots have no sessions: a command that comes again afterwards takes effect again. */
  readonly snapshotForgetsSessions?: boolean
  /** A checkpoint reaches the disk before the entries that it stands for. */
  readonly checkpointsOvertakeLog?: boolean
  /** Tells the core that writes are durable before they are synced. */
  readonly doesNotSync?: boolean
  /** Term and vote are not restored. */
  readonly forgetsHardState?: boolean
  /** A member whose disk was wiped goes by its former name. */
  readonly reusesIncarnation?: boolean
  /** A record that fails its checksum, and everything behind it, is taken for the work of a crash. */
  readonly cutsOffCorruption?: boolean
  /** Answers a command when the leader has appended it. */
  readonly answersWhenAppended?: boolean
  /** Answers a command when its index is applied, whichever entry is there now. */
  readonly resolvesByIndex?: boolean
  /** Takes the time of a pause for no time. */
  readonly losesTicksInPause?: boolean
  /** Keeps no sessions at all: every attempt is a command of its own. */
  readonly hasNoSessions?: boolean
  /** The operator proposes the configuration that it wants and not the next step towards it. */
  readonly reconfiguresAtOnce?: boolean
  /** A member that has given up its cluster goes on with the state of its machine. */
  readonly machineSurvivesMerge?: boolean
  /** Takes any snapshot that arrives, also one older than what is applied. */
  readonly restoresOldSnapshot?: boolean
}

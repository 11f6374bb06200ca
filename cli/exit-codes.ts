/** What a command's exit code means; `mosaik --help` prints this table. */
export const ExitCode = {
  ok: 0,
  /** The command ran and found problems, or a node could not be kept running. */
  failure: 1,
  /** The command line itself was wrong. */
  usage: 2,
  /** The command ran, and what it looked for was not there: nobody was found, a peer did not answer, a check failed. */
  unreachable: 3,
  /** Stopped by a second interrupt before everything had closed. */
  interrupted: 130,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

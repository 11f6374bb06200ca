/** The command line is wrong in a way that only the command itself can tell. Ends it with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

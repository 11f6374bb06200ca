const youngGeneration = /--max[-_]semi[-_]space[-_]size/

/** For each of the two halves of the space in which V8 makes new objects, in MiB. */
const halfMebibytes = 4

/**
 * Node's options for node processes: those of this process, and a young generation of a quarter of V8's default. What
 * streams and gossip leave behind is small objects that hold memory outside the heap; it is noticed when the young
 * generation is full, or else when the whole heap is marked for its sake, every 12 MB. `docs/performance.md` has figures.
 *
 * @param execArgv Of this process.
 * @param environment Its `NODE_OPTIONS` are handed down by themselves, and count where they set the same.
 */
export function nodeArguments(
  execArgv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const isChosen = [...execArgv, environment['NODE_OPTIONS'] ?? ''].some((text) => youngGeneration.test(text))
  return isChosen ? [...execArgv] : [...execArgv, `--max-semi-space-size=${halfMebibytes}`]
}

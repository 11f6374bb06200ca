/**
 * What V8 is told about its heap. What streams and gossip leave behind is small objects that hold memory outside the heap,
 * which V8 frees when it collects the young generation, and else by marking the whole heap. `docs/performance.md` has
 * figures.
 */
const heapOptions = {
  /** For each of the two halves of the space in which new objects are made, in MiB: a quarter of V8's default. */
  'max-semi-space-size': 4,
  /**
   * By how much the heap may grow before it is marked, in percent of what is alive. V8 goes by how quickly old objects
   * become more, which memory outside the heap does not count towards: it ends up marking for every 8 MiB of that.
   */
  'heap-growing-percent': 100,
}

/**
 * Node's options for node processes: those of this process, and {@link heapOptions}.
 *
 * @param execArgv Of this process.
 * @param environment Its `NODE_OPTIONS` are handed down by themselves, and count where they set the same.
 */
export function nodeArguments(
  execArgv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  // V8 takes underscores as well.
  const chosen = [...execArgv, environment['NODE_OPTIONS'] ?? ''].join(' ').replaceAll('_', '-')
  const added = Object.entries(heapOptions).filter(([name]) => !chosen.includes(`--${name}`))
  return [...execArgv, ...added.map(([name, value]) => `--${name}=${value}`)]
}

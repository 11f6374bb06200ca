/**
 * What V8 is told. `docs/performance.md` has figures.
 *
 * What streams and gossip leave behind is small objects that hold memory outside the heap, which V8 frees when it collects
 * the young generation, and else by marking the whole heap.
 */
const v8Options = {
  /** For each of the two halves of the space in which new objects are made, in MiB: a quarter of V8's default. */
  'max-semi-space-size': 4,
  /**
   * By how much the heap may grow before it is marked, in percent of what is alive. V8 goes by how quickly old objects
   * become more, which memory outside the heap does not count towards: it ends up marking for every 8 MiB of that.
   */
  'heap-growing-percent': 100,
  /**
   * How often a function has been called when it is compiled, first quickly and then well, and for how many calls it has met
   * nothing new by then: a quarter, a third and a fifth of V8's defaults. A node that does a little now and then comes to
   * the defaults after thousands of messages, each of which takes three times as long until then.
   */
  'invocation-count-for-maglev': 100,
  'invocation-count-for-turbofan': 1_000,
  'minimum-invocations-after-ic-update': 100,
}

/**
 * Node's options for node processes: those of this process, and {@link v8Options}.
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
  const added = Object.entries(v8Options).filter(([name]) => !chosen.includes(`--${name}`))
  return [...execArgv, ...added.map(([name, value]) => `--${name}=${value}`)]
}

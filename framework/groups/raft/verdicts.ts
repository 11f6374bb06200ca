import type { ClusterId, Index, Verdict } from './types.js'

/** How many verdicts a configuration has: the last ones. Whoever is still in a cluster of an earlier one is told nothing. */
export const verdictsMax = 32

/** These verdicts with others, each pair of clusters once: what was agreed to stays agreed to. */
export function verdictsWith(
  verdicts: readonly Verdict[] | undefined,
  others: Iterable<Verdict>,
): readonly Verdict[] {
  const byPair = new Map<string, Verdict>()
  for (const verdict of [...(verdicts ?? []), ...others]) {
    const pair = `${verdict.winner} ${verdict.loser}`
    if (byPair.get(pair)?.isAgreed !== true) byPair.set(pair, verdict)
  }
  return [...byPair.values()].slice(-verdictsMax)
}

/** How it was decided between two clusters, if it was. */
export function verdictBetween(
  verdicts: readonly Verdict[] | undefined,
  a: ClusterId,
  b: ClusterId,
): Verdict | undefined {
  return verdicts?.find(({ winner, loser }) => (winner === a && loser === b) || (winner === b && loser === a))
}

/** By what the cluster gives way, if it does: whether it has agreed or not. */
export function lossOf(clusterId: ClusterId, verdicts: readonly Verdict[] | undefined): Verdict | undefined {
  return verdicts?.find(({ loser }) => loser === clusterId)
}

/** By what the cluster has given way, if it has. */
export function agreedLossOf(
  clusterId: ClusterId,
  verdicts: readonly Verdict[] | undefined,
): Verdict | undefined {
  return verdicts?.find(({ loser, isAgreed }) => isAgreed && loser === clusterId)
}

/** For encoding: small, and equal for equal verdicts. */
export function verdictsToTuples(
  verdicts: readonly Verdict[],
): readonly (readonly (string | number | boolean)[])[] {
  return verdicts.map(({ winner, loser, shared, isAgreed }) => [winner, loser, shared, isAgreed])
}

/** Undefined when this is not what {@link verdictsToTuples} makes. */
export function verdictsOfTuples(value: unknown): readonly Verdict[] | undefined {
  if (!Array.isArray(value) || value.length > verdictsMax) return undefined
  const verdicts = value.map(verdictOf)
  return verdicts.every((verdict) => verdict !== undefined) ? verdicts : undefined
}

function verdictOf(value: unknown): Verdict | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined
  const [winner, loser, shared, isAgreed] = value as readonly unknown[]
  if (typeof winner !== 'string' || typeof loser !== 'string' || typeof isAgreed !== 'boolean')
    return undefined
  if (!Number.isSafeInteger(shared) || (shared as number) < 0) return undefined
  return { winner: winner as ClusterId, loser: loser as ClusterId, shared: shared as Index, isAgreed }
}

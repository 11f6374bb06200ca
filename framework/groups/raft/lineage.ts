import type { ClusterId, ClusterOrigin, Index } from './types.js'

/** How many clusters a lineage names: the last ones. Who goes further back is a stranger. */
export const originsMax = 16

/** What a configuration says when its log has been through these clusters, and one more. */
export function lineageWith(
  lineage: readonly ClusterOrigin[] | undefined,
  origin: ClusterOrigin,
): readonly ClusterOrigin[] {
  return [...(lineage ?? []), origin].slice(-originsMax)
}

/** The lineage of a cluster that was not made of another one. */
export function foundedLineage(clusterId: ClusterId): readonly ClusterOrigin[] {
  return [{ clusterId, lastTerm: 0, lastIndex: 0, committed: 0 }]
}

/** With what the clusters began that came, one out of the other, of this one. Undefined when it is not in the lineage. */
export function originsAfter(
  clusterId: ClusterId,
  lineage: readonly ClusterOrigin[],
): readonly ClusterOrigin[] | undefined {
  const place = lineage.findLastIndex((origin) => origin.clusterId === clusterId)
  return place === -1 ? undefined : lineage.slice(place + 1)
}

/**
 * Up to which application index two clusters have the same commands for certain: what was known to be committed where
 * their ways parted. 0 when they have nothing in common.
 */
export function sharedCommands(a: readonly ClusterOrigin[], b: readonly ClusterOrigin[]): Index {
  const last = a.findLast(({ clusterId }) => originsAfter(clusterId, b) !== undefined)
  if (last === undefined) return 0
  const parted = [a, b].map((lineage) => originsAfter(last.clusterId, lineage)?.[0]?.committed ?? Infinity)
  return Math.min(...parted)
}

/** For encoding: small, and equal for equal lineages. */
export function lineageToTuples(
  lineage: readonly ClusterOrigin[],
): readonly (readonly (string | number)[])[] {
  return lineage.map(({ clusterId, lastTerm, lastIndex, committed }) => [
    clusterId,
    lastTerm,
    lastIndex,
    committed,
  ])
}

/** Undefined when this is not what {@link lineageToTuples} makes. */
export function lineageOfTuples(value: unknown): readonly ClusterOrigin[] | undefined {
  if (!Array.isArray(value) || value.length > originsMax) return undefined
  const origins = value.map(originOf)
  return origins.every((origin) => origin !== undefined) ? origins : undefined
}

function originOf(value: unknown): ClusterOrigin | undefined {
  if (!Array.isArray(value)) return undefined
  const [clusterId, ...numbers] = value as readonly unknown[]
  const isOrigin =
    typeof clusterId === 'string' && numbers.length === 3 && numbers.every((number) => isCount(number))
  if (!isOrigin) return undefined
  const [lastTerm, lastIndex, committed] = numbers as [number, number, number]
  return { clusterId: clusterId as ClusterId, lastTerm, lastIndex, committed }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

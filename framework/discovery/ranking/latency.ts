import type { PeerEntry } from '../entry.js'
import type { PeerInfo } from '../peer-info.js'
import type { LatencyBasis } from './result.js'

/** What to expect where nothing was measured, in milliseconds: within a zone, a region, between regions, and anywhere. */
const SAME_ZONE_MS = 2
const SAME_REGION_MS = 20
const OTHER_REGION_MS = 100
const ANYWHERE_MS = 50

/** A round trip to reckon with. */
export interface Latency {
  readonly ms: number
  readonly basis: LatencyBasis
}

/**
 * Round trips to all of some peers, also to those that were never measured. In a network of thousands most are not, so
 * what to assume of them decides much: a peer is taken to be as far as the others in its zone or region.
 */
export class Latencies {
  readonly #me: PeerEntry
  readonly #medians = new Map<string, number>()

  constructor(me: PeerEntry, peers: readonly PeerInfo[]) {
    this.#me = me
    const samples = new Map<string, number[]>()
    for (const info of peers) {
      if (info.rttMs === undefined) continue
      for (const key of [zoneKey(info), regionKey(info), ALL_KEY]) {
        if (key === undefined) continue
        const ofKey = samples.get(key)
        if (ofKey) ofKey.push(info.rttMs)
        else samples.set(key, [info.rttMs])
      }
    }
    for (const [key, values] of samples) this.#medians.set(key, medianOf(values))
  }

  of(info: PeerInfo): Latency {
    if (info.rttMs !== undefined) return { ms: info.rttMs, basis: 'measured' }
    const inZone = this.#median(zoneKey(info))
    if (inZone !== undefined) return { ms: inZone, basis: 'zone' }
    const inRegion = this.#median(regionKey(info))
    if (inRegion !== undefined) return { ms: inRegion, basis: 'region' }
    const byLabels = this.#byLabels(info)
    if (byLabels !== undefined) return { ms: byLabels, basis: 'locality' }
    const ofAll = this.#median(ALL_KEY)
    if (ofAll !== undefined) return { ms: ofAll, basis: 'candidates' }
    return { ms: ANYWHERE_MS, basis: 'unknown' }
  }

  #median(key: string | undefined): number | undefined {
    return key === undefined ? undefined : this.#medians.get(key)
  }

  #byLabels({ labels }: PeerInfo): number | undefined {
    const ours = this.#me.labels
    if (labels.region === undefined || ours.region === undefined) return undefined
    if (labels.region !== ours.region) return OTHER_REGION_MS
    return labels.zone !== undefined && labels.zone === ours.zone ? SAME_ZONE_MS : SAME_REGION_MS
  }
}

const ALL_KEY = 'all'

function regionKey({ labels }: PeerEntry): string | undefined {
  return labels.region === undefined ? undefined : `region ${JSON.stringify(labels.region)}`
}

/** Zones of different regions may have the same name. */
function zoneKey({ labels }: PeerEntry): string | undefined {
  const { region, zone } = labels
  return zone === undefined ? undefined : `zone ${JSON.stringify([region, zone])}`
}

/** The lower of the two in the middle, when there are two. Sorts its argument. */
function medianOf(values: number[]): number {
  values.sort((a, b) => a - b)
  return values[(values.length - 1) >>> 1]!
}

// What a campaign of streams says of datums that should not have been lost: enough to tell a bug from a machine that had no time.

/** Something that was done to one of the processes. Times in milliseconds, by a clock that they all have. */
export interface Fault {
  readonly place: string
  /** The only case that it is about; undefined when it is about all. */
  readonly kind?: string | undefined
  readonly what: string
  readonly fromMs: number
  /** Infinity while it lasts. */
  readonly toMs: number
}

/** What the campaign has done to its processes, and for how long. */
export class FaultLog {
  readonly #faults: Fault[] = []

  add(fault: Fault): void {
    this.#faults.push(fault)
  }

  /** @returns To be called when it is over. */
  begin(place: string, what: string, nowMs: number): (nowMs: number) => void {
    const at = this.#faults.push({ place, what, fromMs: nowMs, toMs: Infinity }) - 1
    return (endMs) => void (this.#faults[at] = { ...this.#faults[at]!, toMs: endMs })
  }

  /** What was done to a place, as far as a case is concerned, that was not over before the one time, and had begun by the other. */
  between(place: string, kind: string, fromMs: number, toMs: number): readonly Fault[] {
    return this.#faults.filter(
      (fault) =>
        fault.place === place &&
        (fault.kind ?? kind) === kind &&
        fault.toMs >= fromMs &&
        fault.fromMs <= toMs,
    )
  }
}

/** What a consumer was told is lost. */
export interface Gap {
  /** The first sequence number behind it. */
  readonly before: number
  readonly count: number
  /** When it was told. */
  readonly atMs: number
  /** For how long it had taken nothing of that life of the producer; or since it heard of it. */
  readonly quietMs: number
}

/** How many datums the lives of producers had accepted, as they said from time to time. */
export class AcceptedLog {
  readonly #reports = new Map<string, { readonly count: number; readonly atMs: number }[]>()

  /** @param atMs When it was so many. Later for each report of a life. */
  add(life: string, count: number, atMs: number): void {
    const reports = this.#reports.get(life) ?? []
    reports.push({ count, atMs })
    this.#reports.set(life, reports)
  }

  /** How many there are at most by then: as many as the life had when it said so next, or said last. 0 of one that never said. */
  by(life: string, atMs: number): number {
    const reports = this.#reports.get(life) ?? []
    return (reports.find((report) => report.atMs >= atMs) ?? reports.at(-1))?.count ?? 0
  }
}

/**
 * Whether what is lost was not kept any more when the consumer came for it: who is away while it takes the oldest of what is
 * kept may find that gone.
 *
 * @param keptCount How many of the last datums the producer keeps; undefined where it is not a matter of how many.
 * @param acceptedBy How many there were when the loss was told.
 */
export function hasExpired({ before }: Gap, keptCount: number | undefined, acceptedBy: number): boolean {
  return keptCount !== undefined && before <= acceptedBy - keptCount
}

export interface Loss {
  /** The process that consumes: its place and how often it has started there, `consumer-1.2`. */
  readonly consumer: string
  readonly kind: string
  /** How the producer calls its life: begins with the process, as for the consumer. */
  readonly life: string | undefined
  readonly gap: Gap
  /** How many datums there were in that life when the loss was told, and in the end. Undefined when that is not known. */
  readonly acceptedBy: number | undefined
  readonly accepted: number | undefined
  /** What the producer keeps for who comes back, in words. */
  readonly keeps: string
}

/** A process that was away had not missed what it was away for at once. */
const lookBackMs = 10_000

/** The sentence of a violation. */
export function describeLoss(
  { consumer, kind, life, gap, acceptedBy, accepted, keeps }: Loss,
  faults: FaultLog,
): string {
  const { before, count, atMs, quietMs } = gap
  const done = [...new Set([placeOf(consumer), ...(life === undefined ? [] : [placeOf(life)])])].map(
    (place) => {
      const lately = faults.between(place, kind, atMs - quietMs - lookBackMs, atMs)
      return `${place}: ${lately.map((fault) => describeFault(fault, atMs)).join(', ') || 'nothing'}`
    },
  )
  return (
    `${consumer}: ${kind}: ${count} datums of ${life} are lost before ${before}, of ${acceptedBy ?? 'nobody knows how many'} by then and ${accepted ?? 'nobody knows how many'} in all, ` +
    `after ${seconds(quietMs)} without any. The producer keeps ${keeps}. Done to them lately: ${done.join('; ')}`
  )
}

function describeFault({ what, fromMs, toMs }: Fault, atMs: number): string {
  return toMs < atMs
    ? `${what} for ${seconds(toMs - fromMs)}, over ${seconds(atMs - toMs)} before`
    : `${what} for ${seconds(atMs - fromMs)} by then`
}

function placeOf(process: string): string {
  return process.slice(0, process.indexOf('.'))
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

import type { Alert, Sample, SensorSummary } from './streams.js'

/** How much of the window's end an alert looks at: long enough that one busy sample is no alert. */
const alertSpanMs = 5_000

/** An alert is cleared only this far below its threshold, so that a value that hovers around it does not flap. */
const clearMargin = 0.05

/** The last `spanMs` of one sensor's samples, oldest first. */
export class RollingWindow {
  readonly #spanMs: number
  #samples: Sample[] = []

  constructor(spanMs: number) {
    this.#spanMs = spanMs
  }

  add(sample: Sample): void {
    this.#samples.push(sample)
    this.forget(sample.at)
  }

  /** Drops what has left the window by `now` (Unix milliseconds). */
  forget(now: number): void {
    const oldest = now - this.#spanMs
    const kept = this.#samples.findIndex((sample) => sample.at >= oldest)
    this.#samples = kept < 0 ? [] : this.#samples.slice(kept)
  }

  get isEmpty(): boolean {
    return this.#samples.length === 0
  }

  summarise(now: number): SensorSummary | undefined {
    const newest = this.#samples.at(-1)
    if (newest === undefined) return undefined
    const cpu = this.#samples.map(cpuShare)
    return {
      sensor: newest.sensor,
      host: newest.host,
      sampleCount: this.#samples.length,
      ageMs: Math.max(0, now - newest.at),
      cpu: { average: average(cpu), peak: Math.max(...cpu) },
      cores: newest.cores,
      load: newest.load.one,
      memory: memoryShare(newest),
      disk: {
        readBytesPerSecond: average(this.#samples.map((sample) => sample.disk.readBytesPerSecond)),
        writtenBytesPerSecond: average(this.#samples.map((sample) => sample.disk.writtenBytesPerSecond)),
      },
      network: {
        receivedBytesPerSecond: average(this.#samples.map((sample) => sample.network.receivedBytesPerSecond)),
        sentBytesPerSecond: average(this.#samples.map((sample) => sample.network.sentBytesPerSecond)),
      },
      processes: newest.processes,
    }
  }

  /** The average over the last seconds, which is what an alert compares. */
  recent(metric: Alert['metric'], now: number): number {
    const recent = this.#samples.filter((sample) => sample.at >= now - alertSpanMs)
    return average(recent.map(metric === 'cpu' ? cpuShare : memoryShare))
  }
}

/** Remembers which alerts stand, and says when one is raised or cleared. */
export class AlertBook {
  readonly #raised = new Set<string>()

  judge(
    sensor: string,
    metric: Alert['metric'],
    value: number,
    threshold: number,
    at: number,
  ): Alert | undefined {
    const key = `${sensor} ${metric}`
    const standing = this.#raised.has(key)
    if (!standing && value > threshold) {
      this.#raised.add(key)
      return { at, sensor, metric, state: 'raised', value, threshold }
    }
    if (standing && value < threshold - clearMargin) {
      this.#raised.delete(key)
      return { at, sensor, metric, state: 'cleared', value, threshold }
    }
    return undefined
  }
}

function cpuShare(sample: Sample): number {
  return average(sample.cores)
}

function memoryShare({ memory }: Sample): number {
  return memory.totalBytes === 0 ? 0 : 1 - memory.availableBytes / memory.totalBytes
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

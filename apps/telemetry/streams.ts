// The three streams of the telemetry network. Everything a node needs to know about another one is in this file.
import { stream } from 'mosaik'
import { z } from 'zod'

const share = z.number().min(0)

const processUsage = z.object({
  pid: z.number().int(),
  name: z.string(),
  /** Cores in use: 1.5 is one core and a half. */
  cores: share,
  residentBytes: z.number(),
})

/** What one sensor saw of its machine in the interval that ended at `at`. Rates are bytes per second. */
const sample = z.object({
  sensor: z.string(),
  host: z.string(),
  /** Unix milliseconds. */
  at: z.number(),
  /** Busy share of each core, 0 to 1. */
  cores: z.array(share),
  load: z.object({ one: z.number(), five: z.number(), fifteen: z.number() }),
  memory: z.object({ totalBytes: z.number(), availableBytes: z.number() }),
  disk: z.object({ readBytesPerSecond: z.number(), writtenBytesPerSecond: z.number() }),
  network: z.object({ receivedBytesPerSecond: z.number(), sentBytesPerSecond: z.number() }),
  /** The five busiest, busiest first. Empty where the machine has no /proc. */
  processes: z.array(processUsage).max(5),
})

/** One sensor's rolling window, reduced to what a person wants to see. */
const sensorSummary = z.object({
  sensor: z.string(),
  host: z.string(),
  sampleCount: z.number().int(),
  /** Milliseconds since the newest sample was taken. */
  ageMs: z.number(),
  cpu: z.object({ average: share, peak: share }),
  cores: z.array(share),
  load: z.number(),
  memory: share,
  disk: sample.shape.disk,
  network: sample.shape.network,
  processes: z.array(processUsage).max(5),
})

const summary = z.object({
  at: z.number(),
  windowSeconds: z.number(),
  sensors: z.array(sensorSummary),
})

const alert = z.object({
  at: z.number(),
  sensor: z.string(),
  metric: z.enum(['cpu', 'memory']),
  state: z.enum(['raised', 'cleared']),
  value: share,
  threshold: share,
})

export type Sample = z.infer<typeof sample>
export type ProcessUsage = z.infer<typeof processUsage>
export type SensorSummary = z.infer<typeof sensorSummary>
export type Summary = z.infer<typeof summary>
export type Alert = z.infer<typeof alert>

export const Samples = stream('telemetry.sample', sample)
export const Summaries = stream('telemetry.summary', summary)
export const Alerts = stream('telemetry.alert', alert)

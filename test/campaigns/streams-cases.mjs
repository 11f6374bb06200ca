// What the campaign of streams tries out: for each case a stream, how its two ends are opened, and what is promised.
import { z } from 'zod'
import { nearest } from '../../dist/framework/discovery/index.js'
import { stream } from '../../dist/framework/streams/index.js'

/** `n` counts what a life of a producer has had accepted, so it has to be the sequence number that the stream gives. */
const datum = z.object({ life: z.string(), n: z.int().min(0), bucket: z.int(), note: z.string() })

const bucketCount = 7
const wantedBucket = 3
export const bucketOf = (n) => n % bucketCount

/** How many of the datums from `start` up to `end` meet the criteria. */
const wantedBelow = (n) => Math.floor((n + bucketCount - 1 - wantedBucket) / bucketCount)
const wantedCount = (start, end) => wantedBelow(end) - wantedBelow(start)

const everything = (start, end) => end - start
const stallTimeoutMs = 2_000
/** Much more than is sent while anybody is away, and soon reached, so that memory does not grow for that reason. */
const replayed = 10_000

/**
 * - `selects`: whether consumers ask for some of the datums only;
 * - `wantedCount(start, end)`: how many of these they ask for;
 * - `losesNothing`: whether a subscription that comes back gets what it has missed; `keeps`, how much there is of that, and
 *   `keptCount`, how many of the last datums if it is so many;
 * - `atLeastOnce`: whether a consumer that was killed gets again what it had not acknowledged.
 */
const kinds = {
  block: { producer: { queue: 64, stallTimeoutMs } },
  'drop-oldest': { producer: { overflow: 'drop-oldest', queue: 64 } },
  'drop-newest': { producer: { overflow: 'drop-newest', queue: 64 } },
  disconnect: { producer: { overflow: 'disconnect', queue: 64 } },
  replay: {
    producer: { queue: 64, stallTimeoutMs, replay: { last: replayed } },
    losesNothing: true,
    keeps: `the last ${replayed}`,
    keptCount: replayed,
  },
  ack: {
    producer: { queue: 256, stallTimeoutMs, ack: { holdMs: 600_000 } },
    consumer: { name: 'campaign' },
    losesNothing: true,
    keeps: 'what is not acknowledged, for ten minutes',
    atLeastOnce: true,
  },
  'ack-drop': {
    producer: { overflow: 'drop-oldest', queue: 64, ack: true },
    consumer: { name: 'campaign' },
  },
  criteria: {
    producer: { overflow: 'drop-oldest', queue: 64 },
    consumer: { criteria: { bucket: wantedBucket } },
    selects: true,
    wantedCount,
  },
  'criteria-replay': {
    producer: { queue: 64, stallTimeoutMs, replay: { last: replayed } },
    consumer: { criteria: { bucket: { $in: [wantedBucket] } } },
    selects: true,
    wantedCount,
    losesNothing: true,
    keeps: `the last ${replayed}`,
    keptCount: replayed,
  },
  egress: { producer: { overflow: 'drop-oldest', queue: 64, egress: { datumsPerSecond: 200 } } },
  prefer: {
    producer: { overflow: 'drop-oldest', queue: 64 },
    consumer: { prefer: nearest(1, { hysteresis: { holdMs: 1_000 } }) },
  },
}

export const cases = Object.entries(kinds).map(([name, kind]) => ({
  selects: false,
  wantedCount: everything,
  losesNothing: false,
  atLeastOnce: false,
  ...kind,
  name,
  definition: stream(`campaign.${name}`, datum),
  consumer: {
    windowBytes: 16 * 1024,
    backoff: { initialMs: 100, maxMs: 1_000 },
    ...kind.consumer,
  },
}))

import { describe, expect, test } from '@jest/globals'
import { DURATION_BUCKETS, MetricsRegistry, type MetricDefinition } from '#framework/primitives'

const SENT: MetricDefinition = {
  name: 'mosaik_sent_total',
  help: 'Datums sent.',
  labels: ['stream', 'result'],
}
const PEERS: MetricDefinition = { name: 'mosaik_peers', help: 'Peers known.' }
const QUEUE: MetricDefinition = { name: 'mosaik_queue_items', help: 'Queued.', labels: ['stream'] }
const RTT: MetricDefinition = { name: 'mosaik_rtt_seconds', help: 'Round trips.', buckets: [0.1, 1, 10] }

const DROPPED = 'mosaik_metrics_dropped_series_total'
const FAILED = 'mosaik_metrics_failed_collections_total'

const INVALID = expect.objectContaining({ code: 'METRIC_INVALID' })
const REDEFINED = expect.objectContaining({ code: 'METRIC_REDEFINED' })

describe('the text of a registry', () => {
  test('is that of Prometheus, format 0.0.4, in alphabetical order with the constant labels on every series', () => {
    const registry = new MetricsRegistry({ network: 'e03989181c', build: '1' })
    const sent = registry.counter(SENT)
    sent.add(2, { stream: 'b', result: 'ok' })
    sent.with({ result: 'lost', stream: 'a' }).add()
    registry.gauge(PEERS).set(-1.5)
    const rtt = registry.histogram(RTT)
    for (const seconds of [0.05, 0.1, 0.5, 99]) rtt.observe(seconds)
    expect(registry.render()).toBe(`\
# HELP mosaik_peers Peers known.
# TYPE mosaik_peers gauge
mosaik_peers{build="1",network="e03989181c"} -1.5
# HELP mosaik_rtt_seconds Round trips.
# TYPE mosaik_rtt_seconds histogram
mosaik_rtt_seconds_bucket{build="1",network="e03989181c",le="0.1"} 2
mosaik_rtt_seconds_bucket{build="1",network="e03989181c",le="1"} 3
mosaik_rtt_seconds_bucket{build="1",network="e03989181c",le="10"} 3
mosaik_rtt_seconds_bucket{build="1",network="e03989181c",le="+Inf"} 4
mosaik_rtt_seconds_sum{build="1",network="e03989181c"} 99.65
mosaik_rtt_seconds_count{build="1",network="e03989181c"} 4
# HELP mosaik_sent_total Datums sent.
# TYPE mosaik_sent_total counter
mosaik_sent_total{build="1",network="e03989181c",result="lost",stream="a"} 1
mosaik_sent_total{build="1",network="e03989181c",result="ok",stream="b"} 2
`)
  })

  test('escapes what help and labels may contain', () => {
    const registry = new MetricsRegistry()
    const counter = registry.counter({ name: 'mosaik_x_total', help: 'back\\slash\nand line', labels: ['l'] })
    counter.add(1, { l: 'say "hi"\\\n' })
    expect(registry.render()).toContain('# HELP mosaik_x_total back\\\\slash\\nand line\n')
    expect(registry.render()).toContain('mosaik_x_total{l="say \\"hi\\"\\\\\\n"} 1\n')
    expect(registry.value('mosaik_x_total', { l: 'say "hi"\\\n' })).toBe(1)
  })

  test('has the numbers that are none', () => {
    const registry = new MetricsRegistry()
    const gauge = registry.gauge(QUEUE)
    gauge.set(Infinity, { stream: 'a' })
    gauge.set(-Infinity, { stream: 'b' })
    gauge.set(NaN, { stream: 'c' })
    expect(registry.render().match(/(?<=\} ).*/g)).toEqual(['+Inf', '-Inf', 'NaN'])
  })

  test('begins with what has no labels, at zero, and leaves out what has no series', () => {
    const registry = new MetricsRegistry()
    expect(registry.render()).toBe('')
    registry.counter({ name: 'mosaik_starts_total', help: 'Starts.' })
    registry.histogram(RTT)
    registry.counter(SENT)
    registry.gauge(PEERS)
    const names = registry.render().match(/(?<=# TYPE )\S+/g)
    expect(names).toEqual(['mosaik_rtt_seconds', 'mosaik_starts_total'])
    expect(registry.value('mosaik_starts_total')).toBe(0)
    expect(registry.value('mosaik_rtt_seconds_count')).toBe(0)
    expect(registry.value('mosaik_peers')).toBeUndefined()
  })
})

describe('a counter', () => {
  test('adds up, directly and through handles, by one unless told', () => {
    const registry = new MetricsRegistry()
    const sent = registry.counter(SENT)
    const labels = { stream: 'a', result: 'ok' }
    const handle = sent.with(labels)
    expect(registry.value(SENT.name, labels)).toBe(0)
    handle.add()
    handle.add(4)
    sent.add(1, labels)
    sent.add(0, labels)
    expect(registry.value(SENT.name, { result: 'ok', stream: 'a' })).toBe(6)
    expect(registry.value(SENT.name, { stream: 'a' })).toBeUndefined()
    expect(registry.value('mosaik_other_total')).toBeUndefined()
  })

  test.each([-1, NaN])('never takes %p', (n) => {
    const sent = new MetricsRegistry().counter(SENT)
    const labels = { stream: 'a', result: 'ok' }
    const invariant = expect.objectContaining({ code: 'INVARIANT' })
    expect(() => sent.add(n, labels)).toThrow(invariant)
    expect(() => sent.with(labels).add(n)).toThrow(invariant)
  })

  test('forgets a series when the last who held it lets go, and not before', () => {
    const registry = new MetricsRegistry()
    const sent = registry.counter(SENT)
    const labels = { stream: 'a', result: 'ok' }
    const first = sent.with(labels)
    const second = sent.with(labels)
    first.add(3)
    first.remove()
    first.remove()
    expect(registry.value(SENT.name, labels)).toBe(3)
    second.remove()
    expect(registry.value(SENT.name, labels)).toBeUndefined()
    second.add()
    expect(registry.value(SENT.name, labels)).toBeUndefined()
    expect(sent.with(labels).add()).toBeUndefined()
    expect(registry.value(SENT.name, labels)).toBe(1)
  })

  test('keeps a series that was counted in directly', () => {
    const registry = new MetricsRegistry()
    const sent = registry.counter(SENT)
    const labels = { stream: 'a', result: 'ok' }
    sent.add(1, labels)
    sent.with(labels).remove()
    expect(registry.value(SENT.name, labels)).toBe(1)
  })
})

describe('labels', () => {
  test.each([
    ['too few', { stream: 'a' }],
    ['none', undefined],
    ['too many', { stream: 'a', result: 'ok', peer: 'b' }],
    ['others', { stream: 'a', outcome: 'ok' }],
    ['no text', { stream: 'a', result: 1 as unknown as string }],
  ])('that are %s are refused and counted, and nothing breaks', (_, labels) => {
    const registry = new MetricsRegistry()
    const sent = registry.counter(SENT)
    sent.add(1, labels)
    const handle = sent.with(labels ?? {})
    handle.add()
    handle.remove()
    expect(registry.value(DROPPED, { metric: SENT.name })).toBe(2)
    expect(registry.render()).not.toContain('mosaik_sent_total{')
  })

  test('of a thousand series are accepted, those of one more are refused and counted until one is gone', () => {
    const registry = new MetricsRegistry()
    const sent = registry.counter(SENT)
    const handles = Array.from({ length: 1_000 }, (_, i) => sent.with({ stream: `s${i}`, result: 'ok' }))
    const oneMore = { stream: 'one more', result: 'ok' }
    sent.with(oneMore).add()
    sent.add(1, oneMore)
    expect(registry.value(SENT.name, oneMore)).toBeUndefined()
    expect(registry.value(DROPPED, { metric: SENT.name })).toBe(2)
    sent.add(1, { stream: 's7', result: 'ok' })
    expect(registry.value(SENT.name, { stream: 's7', result: 'ok' })).toBe(1)
    handles[3]!.remove()
    sent.add(1, oneMore)
    expect(registry.value(SENT.name, oneMore)).toBe(1)
  })
})

describe('a gauge', () => {
  test('has the value that was set last', () => {
    const registry = new MetricsRegistry()
    const queue = registry.gauge(QUEUE)
    queue.set(3, { stream: 'a' })
    queue.set(1, { stream: 'a' })
    expect(registry.value(QUEUE.name, { stream: 'a' })).toBe(1)
  })

  test('asks its collectors whenever it is read, and forgets those that are unregistered', () => {
    const registry = new MetricsRegistry()
    let size = 1
    const stop = registry.gauge(PEERS).collect(() => size)
    const stopQueue = registry.gauge(QUEUE).collect(() => new Map([[{ stream: 'a' }, size]]))
    expect([registry.value(PEERS.name), registry.value(QUEUE.name, { stream: 'a' })]).toEqual([1, 1])
    size = 5
    expect(registry.render()).toContain('mosaik_peers 5\n')
    expect(registry.render()).toContain('mosaik_queue_items{stream="a"} 5\n')
    stop()
    stop()
    stopQueue()
    expect(registry.render()).not.toContain('mosaik_')
  })

  test('adds up what several report for the same labels, and keeps the rest apart', () => {
    const registry = new MetricsRegistry()
    const queue = registry.gauge(QUEUE)
    const fn = (): [{ stream: string }, number][] => [[{ stream: 'a' }, 2]]
    queue.collect(fn)
    const stop = queue.collect(fn)
    queue.collect(() => [
      [{ stream: 'a' }, 3],
      [{ stream: 'b' }, 10],
    ])
    queue.set(100, { stream: 'a' })
    expect(registry.value(QUEUE.name, { stream: 'a' })).toBe(107)
    expect(registry.value(QUEUE.name, { stream: 'b' })).toBe(10)
    stop()
    expect(registry.value(QUEUE.name, { stream: 'a' })).toBe(105)
  })

  test('whose collector throws lacks only its values, and the failure is in the same text', () => {
    const registry = new MetricsRegistry()
    const peers = registry.gauge(PEERS)
    peers.collect(() => {
      throw new Error('closed')
    })
    peers.collect(() => 2)
    expect(registry.render()).toContain('mosaik_peers 2\n')
    expect(registry.render()).toContain(`${FAILED}{metric="mosaik_peers"} 2\n`)
  })

  test('refuses labels and series beyond the limit from collectors too', () => {
    const registry = new MetricsRegistry()
    registry.gauge(QUEUE).collect(() => 1)
    registry.gauge(PEERS).collect(() => [[{ peer: 'a' }, 1]])
    registry
      .gauge({ ...QUEUE, name: 'mosaik_many' })
      .collect(() => Array.from({ length: 1_003 }, (_, i) => [{ stream: `s${i}` }, i] as const))
    const lines = registry.render().match(/^mosaik_many\{/gm)
    expect(lines).toHaveLength(1_000)
    expect(registry.value(DROPPED, { metric: QUEUE.name })).toBe(1)
    expect(registry.value(DROPPED, { metric: PEERS.name })).toBe(1)
    expect(registry.value(DROPPED, { metric: 'mosaik_many' })).toBe(3)
  })
})

describe('a histogram', () => {
  test('counts a value into the first bucket that has room for it, and all above', () => {
    const registry = new MetricsRegistry()
    const rtt = registry.histogram({ ...RTT, labels: ['kind'] })
    const handle = rtt.with({ kind: 'a' })
    for (const value of [-1, 0.1, 0.100_1, 10, 10.1]) handle.observe(value)
    const bucket = (le: string): number | undefined => registry.value(`${RTT.name}_bucket`, { kind: 'a', le })
    expect(['0.1', '1', '10', '+Inf'].map(bucket)).toEqual([2, 3, 4, 5])
    expect(registry.value(`${RTT.name}_sum`, { kind: 'a' })).toBeCloseTo(19.300_1)
    handle.remove()
    expect(bucket('1')).toBeUndefined()
    expect(() => rtt.observe(NaN, { kind: 'a' })).toThrow(expect.objectContaining({ code: 'INVARIANT' }))
  })

  test('has buckets from a millisecond to a minute unless told otherwise', () => {
    const registry = new MetricsRegistry()
    registry.histogram({ name: 'mosaik_sync_seconds', help: 'Syncs.' }).observe(0.3)
    const bounds = [...registry.render().matchAll(/le="([^"]*)"/g)].map(([, bound]) => bound)
    expect(bounds).toEqual([...DURATION_BUCKETS.map(String), '+Inf'])
    expect([DURATION_BUCKETS[0], DURATION_BUCKETS.at(-1)]).toEqual([0.001, 60])
    expect(registry.value('mosaik_sync_seconds_bucket', { le: '0.25' })).toBe(0)
    expect(registry.value('mosaik_sync_seconds_bucket', { le: '0.5' })).toBe(1)
  })
})

describe('declaring a metric', () => {
  test('again gives the same one', () => {
    const registry = new MetricsRegistry()
    expect(registry.counter({ ...SENT })).toBe(registry.counter(SENT))
    expect(registry.gauge(PEERS)).toBe(registry.gauge({ ...PEERS, labels: [] }))
    expect(registry.histogram({ ...RTT, buckets: [0.1, 1, 10] })).toBe(registry.histogram(RTT))
  })

  test.each<[string, (registry: MetricsRegistry) => void]>([
    ['of another type', (registry) => registry.histogram({ ...RTT, name: PEERS.name, help: PEERS.help })],
    ['with another help', (registry) => registry.gauge({ ...PEERS, help: 'Other.' })],
    ['with other labels', (registry) => registry.gauge({ ...PEERS, labels: ['a'] })],
    ['with other buckets', (registry) => registry.histogram({ ...RTT, buckets: [1] })],
  ])('%s under the same name is refused', (_, redeclare) => {
    const registry = new MetricsRegistry()
    registry.gauge(PEERS)
    registry.histogram(RTT)
    expect(() => redeclare(registry)).toThrow(REDEFINED)
  })

  test.each<[string, (registry: MetricsRegistry) => void]>([
    ['without the prefix', (registry) => registry.gauge({ name: 'peers', help: '' })],
    ['in another case', (registry) => registry.gauge({ name: 'mosaik_Peers', help: '' })],
    ['as a counter without _total', (registry) => registry.counter({ name: 'mosaik_sent', help: '' })],
    ['as a gauge with _total', (registry) => registry.gauge({ name: 'mosaik_peers_total', help: '' })],
    ['with a label that is no name', (registry) => registry.gauge({ ...QUEUE, labels: ['__a'] })],
    ['with a label twice', (registry) => registry.gauge({ ...QUEUE, labels: ['a', 'a'] })],
    ['with a constant label', (registry) => registry.gauge({ ...QUEUE, labels: ['network'] })],
    ['as a histogram with the label le', (registry) => registry.histogram({ ...RTT, labels: ['le'] })],
    ['with buckets out of order', (registry) => registry.histogram({ ...RTT, buckets: [1, 1] })],
    ['with an infinite bucket', (registry) => registry.histogram({ ...RTT, buckets: [1, Infinity] })],
    ['as a gauge with buckets', (registry) => registry.gauge({ ...QUEUE, buckets: [1] })],
    [
      'like a sample of a histogram',
      (registry) => {
        registry.histogram(RTT)
        registry.gauge({ name: `${RTT.name}_sum`, help: '' })
      },
    ],
    [
      'as a histogram with a sample like a metric',
      (registry) => {
        registry.gauge({ name: `${RTT.name}_count`, help: '' })
        registry.histogram(RTT)
      },
    ],
  ])('%s is refused', (_, declare) => {
    expect(() => declare(new MetricsRegistry({ network: 'x' }))).toThrow(INVALID)
  })

  test('in a registry whose constant label has no valid name is impossible', () => {
    expect(() => new MetricsRegistry({ 'net-work': 'x' })).toThrow(INVALID)
  })
})

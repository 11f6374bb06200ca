import { describe, expect, test } from '@jest/globals'
import {
  parseCores,
  parseDisks,
  parseInterfaces,
  parseLoad,
  parseMemory,
  parseProcess,
  parseResidentBytes,
} from '../../apps/telemetry/machine/proc.js'
import { MachineSampler } from '../../apps/telemetry/machine/sampler.js'
import { Samples, type Sample } from '../../apps/telemetry/streams.js'
import { renderTable } from '../../apps/telemetry/table.js'
import { AlertBook, RollingWindow } from '../../apps/telemetry/window.js'

describe('parsers of /proc', () => {
  test('cores: one entry a core without the total, waiting for a disk counts as idle', () => {
    const text =
      'cpu  30 0 10 160 0 0 0 0 0 0\ncpu0 10 1 4 80 5 0 0 0 0 0\ncpu1 20 0 6 70 4 0 0 0 0 0\nintr 1\n'
    expect(parseCores(text)).toEqual([
      { idle: 85, total: 100 },
      { idle: 74, total: 100 },
    ])
  })

  test('memory in bytes', () => {
    expect(parseMemory('MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n')).toEqual({
      totalBytes: 1_024_000,
      availableBytes: 256_000,
    })
  })

  test('load averages', () => {
    expect(parseLoad('0.50 1.25 2.00 1/234 5678\n')).toEqual({ one: 0.5, five: 1.25, fifteen: 2 })
  })

  test('disks: whole disks only, in bytes', () => {
    const text =
      ' 8 0 sda 5 0 100 0 7 0 50 0 0 0 0\n 8 1 sda1 5 0 100 0 7 0 50 0 0 0 0\n 7 0 loop0 1 0 9 0 0 0 0 0 0 0 0\n'
    expect(parseDisks(text, new Set(['sda']))).toEqual({ inBytes: 51_200, outBytes: 25_600 })
  })

  test('interfaces: loopback does not count', () => {
    const text =
      'Inter-| Receive | Transmit\n face |bytes\n    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  eth0: 100 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0\n'
    expect(parseInterfaces(text)).toEqual({ inBytes: 100, outBytes: 40 })
  })

  test('a process whose name holds brackets and spaces', () => {
    const text = '42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 1 0 100 1000 50'
    expect(parseProcess(text)).toEqual({ pid: 42, name: 'a) b (c)', ticks: 42 })
    expect(parseProcess('')).toBeUndefined()
  })

  test('resident memory, and none for a kernel thread', () => {
    expect(parseResidentBytes('Name: x\nVmRSS:      12 kB\n')).toBe(12_288)
    expect(parseResidentBytes('Name: kthreadd\n')).toBe(0)
  })
})

test('a sample of this machine satisfies the schema of its stream', () => {
  const sampler = new MachineSampler()
  const until = performance.now() + 20
  while (performance.now() < until) Math.sqrt(until)
  const sample = Samples.schema.parse({ sensor: 'sensor-0', ...sampler.sample() }) as Sample
  expect(sample.cores.length).toBeGreaterThan(0)
  expect(sample.memory.totalBytes).toBeGreaterThan(sample.memory.availableBytes)
})

describe('rolling window', () => {
  test('keeps what is inside the window and averages it', () => {
    const window = new RollingWindow(10_000)
    window.add(sampleAt(0, [1, 1]))
    window.add(sampleAt(5_000, [0.5, 0.1]))
    window.add(sampleAt(12_000, [0.1, 0.1]))
    const summary = window.summarise(13_000)
    expect(summary?.sampleCount).toBe(2)
    expect(summary?.cpu.average).toBeCloseTo(0.2)
    expect(summary?.cpu.peak).toBeCloseTo(0.3)
    expect(summary?.ageMs).toBe(1_000)
    expect(summary?.memory).toBeCloseTo(0.75)
  })

  test('is empty once a silent sensor has left it', () => {
    const window = new RollingWindow(10_000)
    window.add(sampleAt(0, [1]))
    window.forget(10_001)
    expect(window.isEmpty).toBe(true)
    expect(window.summarise(10_001)).toBeUndefined()
  })
})

test('an alert is raised once above its threshold and cleared only well below it', () => {
  const book = new AlertBook()
  const states = [0.5, 0.9, 0.95, 0.79, 0.74, 0.74].map(
    (value, at) => book.judge('sensor-0', 'cpu', value, 0.8, at)?.state,
  )
  expect(states).toEqual([undefined, 'raised', undefined, undefined, 'cleared', undefined])
})

describe('table', () => {
  const window = new RollingWindow(10_000)
  window.add(sampleAt(1_000, [0.5, 1]))
  const sensor = window.summarise(2_000)
  if (sensor === undefined) throw new Error('the window holds a sample')

  test('shows each sensor in one line, and the alerts', () => {
    const text = renderTable({ at: 2_000, windowSeconds: 10, sensors: [sensor] }, [
      { at: 1_500, sensor: 'sensor-0', metric: 'cpu', state: 'raised', value: 0.9, threshold: 0.8 },
    ])
    expect(text).toMatch(/^telemetry {2}00:00:02 UTC {2}window 10 s {2}sensors 1\n/)
    expect(text).toMatch(/^sensor-0 .*75%.*▅█/m)
    expect(text).toContain('cpu of sensor-0 raised at 90% (threshold 80%)')
  })

  test('never prints a control character that another machine sent', () => {
    const text = renderTable(
      { at: 0, windowSeconds: 10, sensors: [{ ...sensor, host: '\u001B[2Jevil\u0007' }] },
      [],
    )
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    expect(text).toContain('?[2Jevil?')
  })
})

function sampleAt(at: number, cores: number[]): Sample {
  return {
    sensor: 'sensor-0',
    host: 'here',
    at,
    cores,
    load: { one: 0, five: 0, fifteen: 0 },
    memory: { totalBytes: 400, availableBytes: 100 },
    disk: { readBytesPerSecond: 0, writtenBytesPerSecond: 0 },
    network: { receivedBytesPerSecond: 0, sentBytesPerSecond: 0 },
    processes: [],
  }
}

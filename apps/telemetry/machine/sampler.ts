// Samples this machine. Counters only say something as differences, so a sampler remembers the previous reading.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { cpus, freemem, hostname, loadavg, totalmem } from 'node:os'
import type { ProcessUsage, Sample } from '../streams.js'
import {
  type ByteCounters,
  type CoreTicks,
  parseCores,
  parseDisks,
  parseInterfaces,
  parseLoad,
  parseMemory,
  parseProcess,
  parseResidentBytes,
} from './proc.js'

type Reading = Omit<Sample, 'sensor'>

/** `USER_HZ`, which is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100
const noBytes: ByteCounters = { inBytes: 0, outBytes: 0 }

interface Counters {
  readonly at: number
  readonly cores: readonly CoreTicks[]
  readonly disk: ByteCounters
  readonly network: ByteCounters
  readonly processes: ReadonlyMap<number, { readonly name: string; readonly ticks: number }>
}

export class MachineSampler {
  readonly #hasProc = existsSync('/proc/stat')
  #previous: Counters = this.#readCounters()

  /** What happened since the last call, or since the sampler was made. */
  sample(): Reading {
    const before = this.#previous
    const now = this.#readCounters()
    this.#previous = now
    const seconds = Math.max((now.at - before.at) / 1000, 0.001)
    return {
      host: hostname(),
      at: now.at,
      cores: now.cores.map((core, index) => busyShare(before.cores[index], core)),
      ...this.#readLevels(),
      disk: {
        readBytesPerSecond: rate(before.disk.inBytes, now.disk.inBytes, seconds),
        writtenBytesPerSecond: rate(before.disk.outBytes, now.disk.outBytes, seconds),
      },
      network: {
        receivedBytesPerSecond: rate(before.network.inBytes, now.network.inBytes, seconds),
        sentBytesPerSecond: rate(before.network.outBytes, now.network.outBytes, seconds),
      },
      processes: busiest(before, now, seconds),
    }
  }

  /** Reads are synchronous on purpose: procfs answers from memory, and a thread-pool trip per file would cost more than the read. */
  #readCounters(): Counters {
    const at = Date.now()
    if (!this.#hasProc) {
      return { at, cores: cpus().map(ticksOf), disk: noBytes, network: noBytes, processes: new Map() }
    }
    const disks = new Set(readdirSync('/sys/block').filter((name) => !/^(loop|ram|zram)/.test(name)))
    const processes = new Map<number, { name: string; ticks: number }>()
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue
      const parsed = parseProcess(readIfThere(`/proc/${entry}/stat`))
      if (parsed !== undefined) processes.set(parsed.pid, parsed)
    }
    return {
      at,
      cores: parseCores(readIfThere('/proc/stat')),
      disk: parseDisks(readIfThere('/proc/diskstats'), disks),
      network: parseInterfaces(readIfThere('/proc/net/dev')),
      processes,
    }
  }

  #readLevels(): Pick<Reading, 'load' | 'memory'> {
    if (this.#hasProc) {
      return {
        load: parseLoad(readIfThere('/proc/loadavg')),
        memory: parseMemory(readIfThere('/proc/meminfo')),
      }
    }
    const [one = 0, five = 0, fifteen = 0] = loadavg()
    return { load: { one, five, fifteen }, memory: { totalBytes: totalmem(), availableBytes: freemem() } }
  }
}

function ticksOf({ times }: ReturnType<typeof cpus>[number]): CoreTicks {
  return { idle: times.idle, total: times.user + times.nice + times.sys + times.idle + times.irq }
}

function busyShare(before: CoreTicks | undefined, now: CoreTicks): number {
  const total = now.total - (before?.total ?? 0)
  if (total <= 0) return 0
  return clamp(1 - (now.idle - (before?.idle ?? 0)) / total)
}

/** A counter that went back (a disk or an interface that was removed) counts as no traffic. */
function rate(before: number, now: number, seconds: number): number {
  return Math.max(0, (now - before) / seconds)
}

function busiest(before: Counters, now: Counters, seconds: number): ProcessUsage[] {
  const used: { pid: number; name: string; cores: number }[] = []
  for (const [pid, { name, ticks }] of now.processes) {
    const earlier = before.processes.get(pid)
    if (earlier === undefined || ticks <= earlier.ticks) continue
    used.push({ pid, name, cores: (ticks - earlier.ticks) / ticksPerSecond / seconds })
  }
  return used
    .sort((a, b) => b.cores - a.cores || a.pid - b.pid)
    .slice(0, 5)
    .map((usage) => ({
      ...usage,
      residentBytes: parseResidentBytes(readIfThere(`/proc/${usage.pid}/status`)),
    }))
}

/** A process may end between being listed and being read: then there is nothing to tell. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value))
}

// Parsers for the files of /proc (see proc(5)). Text in, numbers out; reading is done elsewhere.

/** Clock ticks of one core since boot. */
export interface CoreTicks {
  readonly idle: number
  readonly total: number
}

export interface ByteCounters {
  readonly inBytes: number
  readonly outBytes: number
}

export interface ProcessTicks {
  readonly pid: number
  readonly name: string
  readonly ticks: number
}

/** `/proc/stat`: one entry a core, in order. Guest time is already part of user time. */
export function parseCores(text: string): CoreTicks[] {
  return text
    .split('\n')
    .filter((line) => /^cpu\d+ /.test(line))
    .map((line) => {
      const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = line
        .split(/\s+/)
        .slice(1)
        .map(Number)
      return { idle: idle + ioWait, total: user + nice + system + idle + ioWait + irq + softIrq + steal }
    })
}

/** `/proc/meminfo`, in bytes. */
export function parseMemory(text: string): { totalBytes: number; availableBytes: number } {
  const kibibytes = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)
  return { totalBytes: kibibytes('MemTotal') * 1024, availableBytes: kibibytes('MemAvailable') * 1024 }
}

/** `/proc/loadavg`. */
export function parseLoad(text: string): { one: number; five: number; fifteen: number } {
  const [one = 0, five = 0, fifteen = 0] = text.split(' ').map(Number)
  return { one, five, fifteen }
}

/** `/proc/diskstats`, summed over the named whole disks: counting partitions too would count every byte twice. */
export function parseDisks(text: string, disks: ReadonlySet<string>): ByteCounters {
  const sectorBytes = 512
  let inBytes = 0
  let outBytes = 0
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/)
    if (!disks.has(fields[2] ?? '')) continue
    inBytes += Number(fields[5]) * sectorBytes
    outBytes += Number(fields[9]) * sectorBytes
  }
  return { inBytes, outBytes }
}

/** `/proc/net/dev`, summed over every interface but loopback. */
export function parseInterfaces(text: string): ByteCounters {
  let inBytes = 0
  let outBytes = 0
  for (const line of text.split('\n').slice(2)) {
    const [name, counters] = line.split(':')
    if (counters === undefined || name?.trim() === 'lo') continue
    const fields = counters.trim().split(/\s+/).map(Number)
    inBytes += fields[0] ?? 0
    outBytes += fields[8] ?? 0
  }
  return { inBytes, outBytes }
}

/** `/proc/<pid>/stat`. The name stands in brackets and may itself hold brackets and spaces, so the last bracket ends it. */
export function parseProcess(text: string): ProcessTicks | undefined {
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  if (open < 0 || close < open) return undefined
  const fields = text.slice(close + 2).split(' ')
  return {
    pid: Number(text.slice(0, open)),
    name: text.slice(open + 1, close),
    ticks: Number(fields[11]) + Number(fields[12]),
  }
}

/** `VmRSS` of `/proc/<pid>/status`; kernel threads have none. */
export function parseResidentBytes(text: string): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024
}

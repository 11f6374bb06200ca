import type { Alert, SensorSummary, Summary } from './streams.js'

const columns: readonly { title: string; width: number; cell: (sensor: SensorSummary) => string }[] = [
  { title: 'sensor', width: 12, cell: (s) => s.sensor },
  { title: 'host', width: 16, cell: (s) => s.host },
  { title: 'age', width: 6, cell: (s) => `${(s.ageMs / 1000).toFixed(1)}s` },
  { title: 'cpu avg', width: 8, cell: (s) => percent(s.cpu.average) },
  { title: 'peak', width: 6, cell: (s) => percent(s.cpu.peak) },
  { title: 'cores now', width: 12, cell: (s) => s.cores.map(bar).join('') },
  { title: 'load', width: 6, cell: (s) => s.load.toFixed(2) },
  { title: 'memory', width: 7, cell: (s) => percent(s.memory) },
  {
    title: 'disk r/w',
    width: 17,
    cell: (s) => pair(s.disk.readBytesPerSecond, s.disk.writtenBytesPerSecond),
  },
  {
    title: 'net in/out',
    width: 17,
    cell: (s) => pair(s.network.receivedBytesPerSecond, s.network.sentBytesPerSecond),
  },
]

/** A plain-text table: every line is safe to print, whatever names other machines reported. */
export function renderTable(summary: Summary, alerts: readonly Alert[]): string {
  const lines = [
    `telemetry  ${new Date(summary.at).toISOString().slice(11, 19)} UTC  window ${summary.windowSeconds} s  sensors ${summary.sensors.length}`,
    columns.map(({ title, width }) => fit(title, width)).join(' '),
    ...summary.sensors.map((sensor) => columns.map(({ width, cell }) => fit(cell(sensor), width)).join(' ')),
  ]
  const busiest = summary.sensors.find((sensor) => sensor.processes.length > 0)?.processes ?? []
  for (const { pid, name, cores, residentBytes } of busiest) {
    lines.push(
      `busy     ${fit(name, 18)} ${String(pid).padStart(8)} ${fit(cores.toFixed(2), 5)} cores ${bytes(residentBytes).padStart(6)}`,
    )
  }
  for (const alert of alerts) {
    const time = new Date(alert.at).toISOString().slice(11, 19)
    lines.push(
      `alert    ${time}  ${alert.metric} of ${printable(alert.sensor)} ${alert.state} at ${percent(alert.value)} (threshold ${percent(alert.threshold)})`,
    )
  }
  return lines.join('\n')
}

function fit(text: string, width: number): string {
  const clean = printable(text)
  return clean.length > width ? `${clean.slice(0, width - 1)}…` : clean.padEnd(width)
}

/** Names come from other machines: control characters in them must not reach the terminal. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)}%`
}

function bar(share: number): string {
  return '▁▂▃▄▅▆▇█'.charAt(Math.min(7, Math.floor(share * 8)))
}

function pair(a: number, b: number): string {
  return `${bytes(a)}/${bytes(b)}/s`
}

function bytes(count: number): string {
  const units = ['B', 'K', 'M', 'G', 'T']
  let unit = 0
  let value = count
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)}${units[unit]}`
}

import type { MetricFamily, Sample } from './metric-families.js'
import type { Labels } from './metrics.js'

/** `a="1",b="2"`: the labels of these names, in that order. */
export function renderLabels(names: readonly string[], labels: Labels): string {
  return names.map((name) => `${name}="${escapeLabel(labels[name] ?? '')}"`).join(',')
}

/** One metric in Prometheus' text format 0.0.4; nothing at all when it has no series. */
export function renderFamily(family: MetricFamily, constantLabels: string): string {
  const { name, help } = family.definition
  const lines = Array.from(family.samples(), (sample) => renderSample(name, sample, constantLabels))
  if (lines.length === 0) return ''
  return [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${family.type}`, ...lines, ''].join('\n')
}

/** A number as the text format has it. */
export function renderNumber(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return String(value)
}

function renderSample(name: string, { suffix, labels, value }: Sample, constantLabels: string): string {
  const all = [constantLabels, labels].filter((text) => text !== '').join(',')
  return `${name}${suffix}${all === '' ? '' : `{${all}}`} ${renderNumber(value)}`
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/**
 * The options of a port as far as they can be written down and shown to everybody. A function appears as `true`: that
 * there is one is worth knowing. Of a ticket validator only its class and signature appear, since it may hold a secret.
 */
export function plainOptions(options: object): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(options, (_key, value: unknown) => plain(value))) as Readonly<
    Record<string, unknown>
  >
}

function plain(value: unknown): unknown {
  if (typeof value === 'function') return true
  // JSON has neither, and would make null of the one and throw on the other.
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value)))
    return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (typeof value === 'object' && value !== null && 'validate' in value && 'signature' in value) {
    return { class: 'class' in value ? value.class : undefined, signature: value.signature }
  }
  return value
}

// Which names are names. Front ends use the same rules, so that what they accept can be launched.

/** Says in words what {@link isNodeName} accepts. */
export const nodeNameRule =
  'lower-case letters, digits and single dashes, beginning with a letter, at most 63 characters'

/** Whether a text can name a node: it appears in log prefixes, host names and metric labels. */
export function isNodeName(text: string): boolean {
  return text.length <= 63 && /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(text)
}

/** Says in words what {@link isServiceName} accepts. */
export const serviceNameRule = 'letters, digits, "_", "$", "." and "-", at most 128 characters'

/** Whether a text can name a service. Every class name can. */
export function isServiceName(text: string): boolean {
  return text.length <= 128 && /^[\p{L}\p{N}_$][\p{L}\p{N}\p{M}_$.-]*$/u.test(text)
}

/** Says in words what {@link isLabel} accepts. */
export const labelRule = 'visible characters without white space at either end, at most 128 of them'

/** Whether a text can name a network or a stream, or be a tag: almost anything that prints. */
export function isLabel(text: string): boolean {
  return (
    text.length > 0 && text.length <= 128 && text.trim() === text && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)
  )
}

/** The node name that a class name suggests: `OrderBook` gives `order-book`, `HTTPGate2` gives `http-gate2`. */
export function nodeNameFrom(className: string): string {
  return className
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^[^A-Za-z]+|-+$/g, '')
    .toLowerCase()
}

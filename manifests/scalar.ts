/**
 * What the YAML 1.2 core schema makes of a plain text (YAML 1.2.2 §10.3.2), except that an empty text and the words for
 * null stay text: a variable that holds "null" or nothing is more likely meant as it stands.
 */
export function scalarOf(text: string): string | number | boolean {
  if (/^(true|True|TRUE)$/.test(text)) return true
  if (/^(false|False|FALSE)$/.test(text)) return false
  if (/^0o[0-7]+$/.test(text)) return Number.parseInt(text.slice(2), 8)
  if (/^0x[0-9a-fA-F]+$/.test(text)) return Number.parseInt(text.slice(2), 16)
  if (/^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(text)) return Number(text)
  return text
}

const integer = /^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/

/** Why a number cannot stand in a manifest, whose values are JSON; undefined when it can. */
export function numberFault(value: number, text: string): { message: string; hint?: string } | undefined {
  if (!Number.isFinite(value)) return { message: `${text} is not a finite number` }
  if (integer.test(text) && BigInt(text) !== BigInt(value)) {
    return {
      message: `${text} has more digits than a number keeps`,
      hint: `in quotes it stays as it is: "${text}"`,
    }
  }
  return undefined
}

import type { CST, Document, YAMLError } from 'yaml'
import type { Finding } from './finding.js'
import type { SourceText, Span } from './source.js'

/**
 * What keeps a text from being YAML, in words for people who know YAML from use. One finding a line, and none after a
 * bracket or a quote that is never closed: what a parser says once it has lost its way is noise.
 */
export function syntaxFindings(
  document: Document,
  tokens: readonly CST.Token[],
  source: SourceText,
): readonly Finding[] {
  const errors = [
    ...document.errors,
    ...document.warnings.filter(({ code }) => code === 'TAG_RESOLVE_FAILED' || code === 'BAD_DIRECTIVE'),
  ]
  if (errors.length === 0) return []
  const unclosed = unclosedOf(tokens, source)
  const findings = errors
    .filter(({ pos }) => unclosed === undefined || pos[0] < unclosed.span.start)
    .map((error) => findingOf(error, source))
  if (unclosed !== undefined) findings.push(unclosed)
  return firstOfEachLine(findings, source)
}

function firstOfEachLine(findings: readonly Finding[], source: SourceText): readonly Finding[] {
  const lines = new Set<number>()
  return findings
    .toSorted((a, b) => a.span.start - b.span.start)
    .filter(({ span }) => {
      const { line } = source.position(span.start)
      return !lines.has(line) && lines.add(line)
    })
}

function findingOf(error: YAMLError, source: SourceText): Finding {
  const [from, to] = error.pos
  const reference = referenceAt(from, source)
  if (reference !== undefined) return bareReference(reference, source)
  const span = error.code === 'TAB_AS_INDENT' ? { start: from, end: to } : withoutSpaces(from, to, source)
  return { code: 'MANIFEST_SYNTAX', ...wordsFor(error, source, span), span }
}

/** The text in a span is easier to see than the indentation and the spaces that the parser counts with it. */
function withoutSpaces(from: number, to: number, { text }: SourceText): Span {
  const length = text.slice(from).search(/[^ ]/)
  const start = length === -1 || /[\r\n]/.test(text.charAt(from + length)) ? from : from + length
  return { start, end: start + text.slice(start, to).trimEnd().length }
}

interface Words {
  readonly message: string
  readonly hint?: string
}

/** The library's words, unless it takes knowledge of its insides to understand them. */
function wordsFor({ code, message }: YAMLError, source: SourceText, span: Span): Words {
  if (code === 'BLOCK_AS_IMPLICIT_KEY' && message.startsWith('Nested mappings'))
    return nestedMapping(source, span)
  if (message.startsWith('Implicit map keys need')) return noValue(source.slice(span))
  const expected = /end with a (.)$/.exec(message)?.[1]
  if (expected !== undefined) return { message: `a "${expected}" is missing here` }
  if (message.endsWith('at node end')) return { message: 'this cannot follow what is before it' }
  return words[code] ?? { message: `${message.charAt(0).toLowerCase()}${message.slice(1)}` }
}

const words: Partial<Record<YAMLError['code'], Words>> = {
  BAD_INDENT: {
    message: 'this line is indented differently from those around it',
    hint: 'keys of one mapping, and items of one list, begin in the same column',
  },
  BLOCK_IN_FLOW: {
    message: 'inside { } and [ ] this is no "key: value"',
    hint: 'is a "," missing before it, or a quote around it?',
  },
  BAD_SCALAR_START: { message: 'a value cannot begin with this character', hint: 'put the value in quotes' },
  MULTILINE_IMPLICIT_KEY: { message: 'this line is no "key: value"', hint: 'is a ":" missing?' },
  NON_STRING_KEY: { message: 'a key must be plain text' },
  TAB_AS_INDENT: { message: 'this line is indented with a tab', hint: 'YAML is indented with spaces' },
  TAG_RESOLVE_FAILED: { message: 'manifests have no tags such as this one', hint: 'remove it' },
}

function nestedMapping(source: SourceText, { start }: Span): Words {
  const line = source.lineSpan(source.position(start).line)
  if (/:(\s|$)/.test(source.slice({ start, end: line.end }))) {
    return { message: 'this value has a ":" in it, as if it were a mapping', hint: 'put the value in quotes' }
  }
  return {
    message: 'the next line is indented as if it were a part of this value',
    hint: 'keys of one mapping begin in the same column',
  }
}

function noValue(key: string): Words {
  const message = 'this line is no "key: value"'
  return { message, hint: /^[^\s:]+:\S/.test(key) ? 'put a space after the ":"' : 'is a ":" missing?' }
}

/** A `${` whose brace the parser has tripped over, which happens inside `{ }` and `[ ]` only. */
function referenceAt(offset: number, { text }: SourceText): Span | undefined {
  if (text.slice(offset - 1, offset + 1) !== '${') return undefined
  const end = text.indexOf('}', offset)
  return { start: offset - 1, end: end === -1 ? offset + 1 : end + 1 }
}

function bareReference(span: Span, source: SourceText): Finding {
  return {
    code: 'MANIFEST_SYNTAX',
    message: 'inside { } and [ ] a reference to a variable has to be in quotes',
    hint: `write "${source.slice(span)}", or give the value a line of its own`,
    span,
  }
}

/** The first bracket or quote that has no counterpart. */
function unclosedOf(tokens: readonly CST.Token[], source: SourceText): Finding | undefined {
  const opening = tokens.map(openingOf).find((token) => token !== undefined)
  if (opening === undefined) return undefined
  const mark = source.text[opening.offset] ?? ''
  return {
    code: 'MANIFEST_SYNTAX',
    message: `this ${mark} is never closed`,
    span: { start: opening.offset, end: opening.offset + 1 },
  }
}

function openingOf(token: CST.Token): CST.Token | undefined {
  switch (token.type) {
    case 'document':
      return token.value === undefined ? undefined : openingOf(token.value)
    case 'single-quoted-scalar':
    case 'double-quoted-scalar':
      return isClosed(token.source) ? undefined : token
    case 'flow-collection': {
      const [end] = token.end
      if (end?.type !== 'flow-map-end' && end?.type !== 'flow-seq-end') return token
      return openingIn(token.items)
    }
    case 'block-map':
    case 'block-seq':
      return openingIn(token.items)
    default:
      return undefined
  }
}

function openingIn(items: readonly CST.CollectionItem[]): CST.Token | undefined {
  for (const { key, value } of items) {
    for (const token of [key, value]) {
      const opening = token === undefined || token === null ? undefined : openingOf(token)
      if (opening !== undefined) return opening
    }
  }
  return undefined
}

/** Whether a quoted text ends in a quote that is not escaped. */
function isClosed(source: string): boolean {
  const quote = source.charAt(0)
  const escape = quote === '"' ? '\\' : quote
  let at = 1
  while (at < source.length) {
    const escaped = source[at] === escape && (quote === '"' || source[at + 1] === quote)
    if (!escaped && source[at] === quote) return true
    at += escaped ? 2 : 1
  }
  return false
}

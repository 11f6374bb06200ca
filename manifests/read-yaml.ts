// With `syntax-findings.ts` and `tree-builder.ts` the only place that knows the YAML library: what leaves is a tree of our
// own, with places, and findings.
import { Composer, CST, isScalar, Lexer, Parser, type ParsedNode } from 'yaml'
import type { Finding } from './finding.js'
import type { SourceText } from './source.js'
import { syntaxFindings } from './syntax-findings.js'
import { depthMax, TreeBuilder } from './tree-builder.js'
import type { YamlNode } from './yaml-tree.js'

/** Scalars, brackets, commas, spaces, line breaks, comments: parsing takes time for each, whatever the text's size. */
const lexemeCountMax = 250_000

/** What a text says. Without a root there is nothing to go on with: the findings say why. */
export interface YamlText {
  readonly root?: YamlNode
  readonly findings: readonly Finding[]
}

/**
 * Reads one YAML 1.2 document of the core schema. Keys are strings; aliases are followed, within limits; `<<` merges.
 * Never throws, whatever the text.
 */
export function readYaml(source: SourceText): YamlText {
  const { text } = source
  const { tokens, excess } = tokensOf(text)
  if (excess !== undefined) return { findings: [excess] }

  const documents = tokens.filter((token) => token.type === 'document')
  if (documents[1] !== undefined) return { findings: [secondDocument(documents[1])] }

  const composer = new Composer({
    schema: 'core',
    resolveKnownTags: false,
    merge: false,
    // The library compares every key with all before it; the tree builder finds duplicates with a map.
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
  })
  const [document] = composer.compose(tokens, true, text.length)
  if (document === undefined) return { findings: [emptyFile] }
  const syntax = syntaxFindings(document, tokens, source)
  if (syntax.length > 0) return { findings: syntax }
  // A document of comments only has either no contents or a null that no text stands for.
  const contents = document.contents as ParsedNode | null
  if (contents === null || (isScalar(contents) && contents.range[0] === contents.range[1])) {
    return { findings: [emptyFile] }
  }
  return new TreeBuilder(source).build(contents)
}

/** The concrete syntax, unless there is too much of it. Nothing here recurses, and what comes after may. */
function tokensOf(text: string): { readonly tokens: readonly CST.Token[]; readonly excess?: Finding } {
  const tokens: CST.Token[] = []
  const parser = new Parser()
  let count = 0
  for (const lexeme of new Lexer().lex(text)) {
    const before = parser.offset
    for (const token of parser.next(lexeme)) tokens.push(token)
    count++
    if (depthOf(parser) > depthMax)
      return { tokens, excess: tooComplex(`is nested deeper than ${depthMax} levels`, before) }
    if (count > lexemeCountMax)
      return { tokens, excess: tooComplex(`has more than ${lexemeCountMax} parts`, before) }
  }
  for (const token of parser.end()) tokens.push(token)
  return { tokens }
}

/** The parser's stack holds everything that is open: the document, collections, and a scalar at the end. */
function depthOf({ stack }: Parser): number {
  return stack.length <= depthMax ? stack.length : stack.filter((token) => CST.isCollection(token)).length
}

function tooComplex(what: string, offset: number): Finding {
  return {
    code: 'MANIFEST_TOO_COMPLEX',
    message: `the manifest ${what}`,
    span: { start: offset, end: offset + 1 },
  }
}

const emptyFile: Finding = {
  code: 'MANIFEST_EMPTY',
  message: 'there is nothing in this manifest',
  hint: 'begin with "mosaik: 1", "network: <name>" and "nodes:"',
  span: { start: 0, end: 0 },
}

function secondDocument({ offset, start }: CST.Document): Finding {
  const mark = start.find(({ type }) => type === 'doc-start')
  return {
    code: 'MANIFEST_MULTIPLE_DOCUMENTS',
    message: 'a second YAML document begins here, and a manifest is one document',
    hint: 'put it into a file of its own',
    span: { start: offset, end: offset + (mark?.source.length ?? 1) },
  }
}

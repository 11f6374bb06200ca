// From the schema's issues to findings that name the place, what is there, and what would mend it.
import type { core } from 'zod'
import type { Finding } from './finding.js'
import {
  anyText,
  type Fault,
  groupSchema,
  knownKeys,
  manifestSchema,
  manifestVersion,
  type ManifestText,
  nodeSchema,
} from './schema.js'
import { isInSecret, isSecretPath } from './secrets.js'
import { suggest } from '#framework/primitives'
import {
  describe,
  isBroken,
  keySpanAt,
  nodeAt,
  type Path,
  quoted,
  spanAt,
  valueOf,
  type YamlNode,
  type YamlScalar,
} from './yaml-tree.js'

type Issue = core.$ZodIssue

/** The manifest when the tree is one, and otherwise everything that keeps it from being one. */
export function judge(root: YamlNode): {
  readonly text?: ManifestText
  readonly findings: readonly Finding[]
} {
  const result = manifestSchema.safeParse(valueOf(root))
  if (result.success) return { text: result.data, findings: [] }
  const findings = result.error.issues.flatMap((issue) => findingsOf(issue, root))
  return { findings }
}

/**
 * Says when a manifest is for a later mosaik. It should not be judged by the rules of this one then: that would bury the
 * one thing to say.
 */
export function laterVersion(root: YamlNode): Finding | undefined {
  const version = nodeAt(root, ['mosaik'])
  if (
    version?.kind !== 'scalar' ||
    !Number.isInteger(version.value) ||
    Number(version.value) <= manifestVersion
  )
    return undefined
  return {
    code: 'MANIFEST_VERSION',
    message: `this manifest is written in version ${version.value} of the format, and this mosaik reads version ${manifestVersion}`,
    hint: 'update mosaik',
    span: version.span,
    path: ['mosaik'],
  }
}

function findingsOf(issue: Issue, root: YamlNode, base: Path = []): readonly Finding[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, root))
  if (isBroken(root, path)) return []
  if (issue.code === 'invalid_key') {
    return [
      ...issue.issues.map((inner) => faultyKey(path, faultOf(inner), root)),
      ...nodeFindings(path, root),
    ]
  }
  if (issue.code === 'invalid_union') {
    // The alternatives differ in type, so at most one of them has anything to say beyond "wrong type".
    const inside = issue.errors.find(
      (issues) => !issues.some(({ code, path: at }) => code === 'invalid_type' && at.length === 0),
    )
    if (inside !== undefined) return inside.flatMap((inner) => findingsOf(inner, root, path))
  }
  const node = nodeAt(root, path)
  if (node === undefined) return [missingKey(path, root)]
  if (isSecretPath(path) && node.kind === 'scalar' && node.value !== null)
    return [literalSecret(path, node, root)]
  if (issue.code === 'custom') return [faultyValue(path, faultOf(issue), node, root)]
  return [wrongValue(path, issue, node, root)]
}

const schemasOfNamed: Readonly<Record<string, typeof nodeSchema | typeof groupSchema>> = {
  nodes: nodeSchema,
  groups: groupSchema,
}

/** The schema passes over what stands under a faulty name. */
function nodeFindings(path: Path, root: YamlNode): readonly Finding[] {
  const node = nodeAt(root, path)
  const schema = path.length === 2 ? schemasOfNamed[String(path[0])] : undefined
  if (node === undefined || schema === undefined) return []
  const result = schema.safeParse(valueOf(node))
  return result.success ? [] : result.error.issues.flatMap((issue) => findingsOf(issue, root, path))
}

function unknownKey(path: Path, key: string, root: YamlNode): Finding {
  const known = knownKeys(path)
  const likely = suggest(key, known)
  return {
    code: 'MANIFEST_UNKNOWN_KEY',
    message: `unknown key ${quoted(key)}${path.length === 0 ? '' : ` in ${placeOf(path)}`}`,
    hint: likely === undefined ? `there are ${known.join(', ')}` : `did you mean "${likely}"?`,
    span: keySpanAt(root, [...path, key]),
    path: [...path, key],
  }
}

function missingKey(path: Path, root: YamlNode): Finding {
  const parent = path.slice(0, -1)
  const key = String(path.at(-1))
  const hint = key in examples ? examples[key as keyof typeof examples] : undefined
  return {
    code: 'MANIFEST_MISSING_KEY',
    message: `${placeOf(parent)} has no "${key}"`,
    ...(hint !== undefined && { hint: `add "${hint}"` }),
    span: keySpanAt(root, parent),
    path: parent,
  }
}

/** Says neither what the secret is nor what it looks like. */
function literalSecret(path: Path, { variables }: YamlScalar, root: YamlNode): Finding {
  const [variable] = variables ?? []
  const key = String(path.at(-1))
  const owner = path.length === 1 ? '' : ` of group ${quoted(String(path[1]))}`
  return {
    code: 'MANIFEST_SECRET_LITERAL',
    message: `the ${key}${owner} stands in the manifest, and it belongs into a variable or a file`,
    hint: `write "${key}: { env: ${variable ?? 'NAME'} }" or "${key}: { file: ./<file> }"`,
    span: keySpanAt(root, path),
    path,
  }
}

const examples = {
  mosaik: `mosaik: ${manifestVersion}`,
  network: 'network: <name>',
  nodes: 'nodes: { <name>: { use: ./<file>.ts } }',
  use: 'use: ./<file>.ts',
} as const

function faultyKey(path: Path, { code, message, hint }: Fault, root: YamlNode): Finding {
  return {
    code,
    message: `${quoted(String(path.at(-1)))} ${message}`,
    ...(hint !== undefined && { hint }),
    span: keySpanAt(root, path),
    path,
  }
}

function faultyValue(path: Path, { code, message, hint }: Fault, node: YamlNode, root: YamlNode): Finding {
  // What stands at a secret may be one, even where only its place was asked for.
  const found = node.kind === 'scalar' && !isInSecret(path) ? ` ${describe(node)}` : ''
  return {
    code,
    message: `${placeOf(path)}${found} ${message}`,
    ...(hint !== undefined && { hint }),
    span: spanAt(root, path),
    path,
  }
}

function wrongValue(path: Path, issue: Issue, node: YamlNode, root: YamlNode): Finding {
  const hint = hintFor(path, issue, node)
  const versioned = path.length === 1 && path[0] === 'mosaik'
  const ofType = issue.code === 'invalid_type' || issue.code === 'invalid_union'
  return {
    code: versioned ? 'MANIFEST_VERSION' : ofType ? 'MANIFEST_WRONG_TYPE' : 'MANIFEST_VALUE_INVALID',
    message: `${placeOf(path)} must be ${issue.message}, found ${describe(node)}`,
    ...(hint !== undefined && { hint }),
    span: spanAt(root, path),
    path,
  }
}

function hintFor(path: Path, issue: Issue, node: YamlNode): string | undefined {
  if (node.kind !== 'scalar') return undefined
  const { value, variables } = node
  if (value === null) {
    if (isNodePath(path)) return `add "${examples.use}" below it`
    return optionalKeys.has(String(path.at(-1))) ? 'remove the key, or give it a value' : undefined
  }
  const expected =
    issue.code === 'invalid_type' ? issue.expected : issue.code === 'invalid_value' ? 'number' : undefined
  if (typeof value !== 'string') {
    if (expected !== 'string') return undefined
    if (path[0] === 'listen') return 'ports belong to the nodes'
    if (issue.message !== anyText) return undefined
    return variables === undefined
      ? `in quotes it is a string: "${String(value)}"`
      : 'in quotes the reference is a string'
  }
  if (expected === 'boolean') {
    if (/^(yes|on)$/i.test(value)) return 'did you mean true?'
    return /^(no|off)$/i.test(value) ? 'did you mean false?' : undefined
  }
  if (expected === 'number' || expected === 'int') {
    const isNumber = variables === undefined && value.trim() !== '' && Number.isFinite(Number(value))
    return isNumber ? `without quotes it is a number: ${value.trim()}` : undefined
  }
  return expected === 'array' ? `a list of one is written [${value}]` : undefined
}

const optionalKeys: ReadonlySet<string> = new Set([
  'replicas',
  'tags',
  'config',
  'listen',
  'seeds',
  'secret',
  'data',
  'discovery',
  'relay',
  'labels',
  'groups',
  'voters',
  'storage',
  'evictAfter',
  'key',
  'passphrase',
])

/** A place in words: `network`, `node "sensor": tags[1]`, `the manifest`. */
function placeOf(path: Path): string {
  if (path.length === 0) return 'the manifest'
  const kind = path.length === 1 ? undefined : { nodes: 'node', groups: 'group' }[String(path[0])]
  if (kind === undefined) return stepsOf(path)
  const named = `${kind} ${quoted(String(path[1]))}`
  return path.length === 2 ? named : `${named}: ${stepsOf(path.slice(2))}`
}

function stepsOf(path: Path): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`))
    .join('')
}

function isNodePath(path: Path): boolean {
  return path.length === 2 && path[0] === 'nodes'
}

/** The fault that a check of the schema attached to its issue. */
function faultOf(issue: Issue): Fault {
  const params = issue.code === 'custom' ? (issue.params as Partial<Fault> | undefined) : undefined
  return {
    code: params?.code ?? 'MANIFEST_VALUE_INVALID',
    message: issue.message,
    ...(params?.hint !== undefined && { hint: params.hint }),
  }
}

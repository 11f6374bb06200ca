import type { GroupDeclaration, ListenDeclaration, RelayDeclaration } from '#framework/topology'
import { portsOf } from './addresses.js'
import { crossChecks } from './cross-checks.js'
import { parseDuration } from '#framework/primitives'
import type { Finding } from './finding.js'
import { judge, laterVersion } from './judge.js'
import { ManifestSource } from './locate.js'
import type { Manifest } from './manifest.js'
import { type LocatedProblem, problemAt } from './problems.js'
import { readYaml } from './read-yaml.js'
import type { ManifestText } from './schema.js'
import type { ManifestFiles } from './use.js'
import { withoutSecrets } from './secrets.js'
import { SourceText } from './source.js'
import { type Environment, substitute } from './substitute.js'

/** Larger files are refused unread. */
export const manifestBytesMax = 1024 * 1024
/** Enough to see what is wrong with a file in which everything is. */
const problemCountMax = 1000

export interface ParseOptions {
  /** The manifest's path: messages begin with it, and paths of `use` are relative to its folder. */
  readonly file: string
  /** What `${NAME}` is looked up in, such as `process.env`. */
  readonly env: Environment
  /** Where to look for the files of `use`. Without it they are taken to be there. */
  readonly files?: ManifestFiles
}

export interface ParsedManifest {
  /** Present exactly when there are no problems. */
  readonly manifest?: Manifest
  /** Everything that is wrong, each with its place, in the order of the file. The first thousand of it. */
  readonly problems: readonly LocatedProblem[]
  /** What `locate` places later problems by. */
  readonly source: ManifestSource
}

/**
 * Reads a manifest. Never throws: whatever the text, the answer is a manifest or the problems that keep it from being one,
 * all of them at once. A text that is no YAML, or of another version of the format, is judged no further than that.
 *
 * The codes of problems are listed at {@link Finding}.
 */
export function parseManifest(text: string, options: ParseOptions): ParsedManifest {
  const source = new SourceText(options.file, text)
  const read = isTooLarge(text) ? { findings: [tooLarge] } : readYaml(source)
  if (read.root === undefined)
    return { problems: located(read.findings, source), source: new ManifestSource(source) }

  const substituted = substitute(read.root, source, options.env)
  const { root } = substituted
  const findings: Finding[] = [...read.findings, ...substituted.findings]
  const manifestSource = new ManifestSource(source, root)
  const later = laterVersion(root)
  if (later !== undefined) return { problems: located([...findings, later], source), source: manifestSource }

  const judged = judge(root)
  findings.push(...judged.findings, ...crossChecks(root, options.file, options.files))
  const problems = located(findings, withoutSecrets(source, root))
  if (problems.length > 0 || judged.text === undefined) return { problems, source: manifestSource }
  return { manifest: manifestOf(judged.text), problems, source: manifestSource }
}

/** Bytes of UTF-8, as a file has them. Counting them is spared for a text that is too long in any encoding. */
function isTooLarge(text: string): boolean {
  return text.length > manifestBytesMax || Buffer.byteLength(text) > manifestBytesMax
}

const tooLarge: Finding = {
  code: 'MANIFEST_TOO_LARGE',
  message: `the manifest is larger than ${manifestBytesMax / 1024 / 1024} MiB`,
  hint: 'is this the right file?',
  span: { start: 0, end: 0 },
}

function located(findings: readonly Finding[], source: SourceText): readonly LocatedProblem[] {
  return findings
    .toSorted((a, b) => a.span.start - b.span.start)
    .slice(0, problemCountMax)
    .map(({ code, message, hint, span, path = [] }) =>
      problemAt(source, span, {
        code,
        severity: 'error',
        message,
        path,
        ...(hint !== undefined && { hint }),
      }),
    )
}

function manifestOf(text: ManifestText): Manifest {
  const { network, listen, seeds = [], secret, data, discovery, relay, groups, nodes } = text
  return {
    network,
    ...(listen !== undefined && { listen }),
    seeds,
    ...(secret !== undefined && { secret: definedIn(secret) }),
    ...(data !== undefined && { data }),
    ...(discovery !== undefined && { discovery: definedIn(discovery) }),
    ...(relay !== undefined && { relay: relayOf(relay) }),
    ...(groups !== undefined && { groups: Object.entries(groups).map(groupOf) }),
    nodes: Object.entries(nodes).map(([name, node]) => ({
      name,
      use: typeof node.use === 'string' ? [node.use] : node.use,
      replicas: node.replicas ?? 1,
      tags: [...new Set(node.tags)],
      config: node.config ?? {},
      ...(node.listen !== undefined && { listen: listenOf(node.listen) }),
      ...(node.labels !== undefined && { labels: node.labels }),
      ...(node.relay !== undefined && { relay: relayOf(node.relay) }),
    })),
  }
}

function groupOf([name, group]: [string, NonNullable<ManifestText['groups']>[string]]): GroupDeclaration {
  const { voters, storage, evictAfter, key, passphrase } = group
  const evictAfterMs = evictAfter === undefined ? undefined : parseDuration(evictAfter)
  return {
    name,
    ...definedIn({ voters, storage, evictAfterMs }),
    ...(key !== undefined && { key: definedIn(key) }),
    ...(passphrase !== undefined && { passphrase: definedIn(passphrase) }),
  }
}

function relayOf({ serve, via }: NonNullable<ManifestText['relay']>): RelayDeclaration {
  const relays = via === undefined || via === 'auto' ? via : typeof via === 'string' ? [via] : via
  return { ...(serve !== undefined && { serve }), ...(relays !== undefined && { via: relays }) }
}

/** A record without the keys that hold nothing. */
function definedIn<T extends object>(record: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function listenOf(listen: number | string | readonly string[]): ListenDeclaration {
  if (typeof listen === 'number') return { port: listen }
  if (typeof listen !== 'string') return { addresses: listen }
  const ports = portsOf(listen)
  return ports === undefined ? { addresses: [listen] } : { port: ports.first }
}

// Small ways to read manifests in tests.
import { type ManifestFiles, parseManifest, type ParsedManifest, renderProblems } from '#manifests'

export interface Given {
  readonly env?: Readonly<Record<string, string>>
  /** Files of the folder `/project`, which the manifest is in. */
  readonly files?: readonly string[]
}

export function parse(text: string, { env = {}, files }: Given = {}): ParsedManifest {
  return parseManifest(text, {
    file: '/project/orders.yaml',
    env,
    ...(files !== undefined && { files: folder(files) }),
  })
}

function folder(names: readonly string[]): ManifestFiles {
  return {
    exists: (path) => names.some((name) => path === `/project/${name}`),
    list: (path) => (path === '/project' ? names : []),
  }
}

/** What a reader of the terminal sees, with a line break before and after as in a template text. */
export function rendered(text: string, given?: Given): string {
  return `\n${renderProblems(parse(text, given).problems, { color: false })}\n`
}

/** The beginning of a manifest, up to and including `nodes:`. */
export const head = 'mosaik: 1\nnetwork: orders\nnodes:\n'

/** A manifest with nothing wrong. */
export const minimal = `${head}  trader: { use: ./trader.ts }\n`

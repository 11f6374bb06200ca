// Secrets that somebody has written into a manifest, where they do not belong: they must not get into messages as well,
// which end up in logs.
import { SourceText, type Span } from './source.js'
import { nodeAt, type Path, type YamlNode } from './yaml-tree.js'

/** What the keys below `secret` that say where it is can hold. Anything else may be the secret. */
const places: ReadonlyMap<string, RegExp> = new Map([
  ['env', /^[A-Za-z_][A-Za-z0-9_]*$/],
  ['file', /^(\.{1,2})?\//],
])

const keysOfGroup = ['key', 'passphrase']

/** Whether it is the place of a secret there: the network's, or one of a group. */
export function isSecretPath(path: Path): boolean {
  if (path.length === 1) return path[0] === 'secret'
  return path.length === 3 && path[0] === 'groups' && keysOfGroup.includes(String(path[2]))
}

/** Whether what stands there may be a secret, or a part of one. */
export function isInSecret(path: Path): boolean {
  return isSecretPath(path.slice(0, 1)) || isSecretPath(path.slice(0, 3))
}

/** The text with a `•` for each character of what stands where secrets do and is not the place of one. */
export function withoutSecrets(source: SourceText, root: YamlNode): SourceText {
  const groups = nodeAt(root, ['groups'])
  const names = groups?.kind === 'map' ? [...groups.entries.keys()] : []
  const paths: readonly Path[] = [
    ['secret'],
    ...names.flatMap((name) => keysOfGroup.map((key) => ['groups', name, key])),
  ]
  const spans = paths.flatMap((path) => {
    const secret = nodeAt(root, path)
    return secret === undefined ? [] : secretSpans(secret)
  })
  if (spans.length === 0) return source
  const text = spans.reduce(masked, source.text)
  return new SourceText(source.file, text)
}

function secretSpans(node: YamlNode): readonly Span[] {
  if (node.kind !== 'map') return [node.span]
  return Array.from(node.entries)
    .filter(
      ([key, { value }]) => value.kind !== 'scalar' || places.get(key)?.test(String(value.value)) !== true,
    )
    .map(([, { value }]) => value.span)
}

/** As long as it was, so that every place in it stays where it is. */
function masked(text: string, { start, end }: Span): string {
  return text.slice(0, start) + text.slice(start, end).replaceAll(/[^\r\n]/g, '•') + text.slice(end)
}

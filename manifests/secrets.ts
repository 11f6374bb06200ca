// Secrets that somebody has written into a manifest, where they do not belong: they must not get into messages as well,
// which end up in logs.
import { SourceText, type Span } from './source.js'
import { nodeAt, type YamlNode } from './yaml-tree.js'

/** What the keys below `secret` that say where it is can hold. Anything else may be the secret. */
const places: ReadonlyMap<string, RegExp> = new Map([
  ['env', /^[A-Za-z_][A-Za-z0-9_]*$/],
  ['file', /^(\.{1,2})?\//],
])

/** The text with a `•` for each character of what stands at `secret` and is not the place of one. */
export function withoutSecrets(source: SourceText, root: YamlNode): SourceText {
  const secret = nodeAt(root, ['secret'])
  const spans = secret === undefined ? [] : secretSpans(secret)
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

// The form of `use`, and whether the files it names are there.
import { basename, dirname, extname, join, resolve } from 'node:path'
import type { Finding } from './finding.js'
import { suggest } from '#framework/primitives'
import { type Path, spanAt, type YamlMap, type YamlNode } from './yaml-tree.js'

/** What checking needs of a file system. Paths are absolute. */
export interface ManifestFiles {
  /** Whether there is a file, and no folder, at a path. */
  exists(path: string): boolean
  /** The names in a folder; none when there is no such folder. */
  list(folder: string): readonly string[]
}

/** A path of a module, and after a `#` which of its exports is meant. */
export const usePattern = /^(\.{1,2})?\/[^#]+(#[\p{L}_$][\p{L}\p{N}_$]*)?$/u

/** Why a text cannot be a `use`; undefined when it can. */
export function useFault(use: string): { readonly message: string; readonly hint: string } | undefined {
  if (usePattern.test(use)) return undefined
  if (/^(\.{1,2})?\/[^#]+#/.test(use)) {
    return {
      message: 'names no export after the "#"',
      hint: 'write the name of a class, as in ./file.ts#Name',
    }
  }
  const isModule = /^[\w-].*\.[cm]?[jt]s(#.*)?$/.test(use)
  return {
    message: 'is no path of a file',
    hint: isModule ? `did you mean "./${use}"?` : 'begin it with "./"',
  }
}

/** What is wrong with the files of one node. Without `files`, they are taken to be there. */
export function useFindings(
  root: YamlNode,
  name: string,
  node: YamlMap,
  manifestFile: string,
  files?: ManifestFiles,
): readonly Finding[] {
  const seen = new Set<string>()
  return usesOf(name, node).flatMap(({ use, path }): Finding[] => {
    const [file = '', ...exported] = use.split('#')
    const place = resolve(dirname(manifestFile), file)
    const key = [place, ...exported].join('#')
    const span = spanAt(root, path)
    if (seen.has(key)) {
      const message = `node "${name}" uses "${use}" twice`
      return [{ code: 'MANIFEST_USE_DUPLICATE', message, hint: 'remove one of them', span, path }]
    }
    seen.add(key)
    if (files === undefined || files.exists(place)) return []
    const likely = similarFile(place, file, files)
    const message = `node "${name}" uses "${use}", and there is no such file`
    const hint =
      likely === undefined ? `looked for ${place}` : `did you mean "${[likely, ...exported].join('#')}"?`
    return [{ code: 'MANIFEST_USE_NOT_FOUND', message, hint, span, path }]
  })
}

/** The uses of a node that have the right form; the others have been reported. */
function usesOf(name: string, node: YamlMap): readonly { readonly use: string; readonly path: Path }[] {
  const value = node.entries.get('use')?.value
  const base: Path = ['nodes', name, 'use']
  const parts =
    value?.kind === 'list'
      ? value.items.map((part, index) => ({ part, path: [...base, index] }))
      : [{ part: value, path: base }]
  return parts.flatMap(({ part, path }) =>
    part?.kind === 'scalar' && typeof part.value === 'string' && usePattern.test(part.value)
      ? [{ use: part.value, path }]
      : [],
  )
}

const moduleExtensions: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'])

/** A module of the same folder with a similar name, written the way the path was. */
function similarFile(place: string, file: string, files: ManifestFiles): string | undefined {
  const modules = files.list(dirname(place)).filter((entry) => moduleExtensions.has(extname(entry)))
  const stem = basename(place, extname(place))
  // The same name with another extension, or without one, is nearer than any name with other letters.
  const likely =
    modules.find((entry) => basename(entry, extname(entry)) === stem) ?? suggest(basename(place), modules)
  if (likely === undefined) return undefined
  const path = join(dirname(file), likely)
  return file.startsWith('./') ? `./${path}` : path
}

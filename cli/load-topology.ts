// From a manifest's path to everything that can be known without running it: the manifest is parsed, the modules that it
// uses are imported, their decorated classes are collected, and the whole is judged.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { codeOf, messageOf, MosaikError, suggest } from '#framework/primitives'
import {
  dataflow,
  type Graph,
  type Problem,
  type ServiceBinding,
  type Topology,
  validate,
} from '#framework/topology'
import { DeclarationError, servicesIn } from '#decorators'
import {
  type LocatedProblem,
  type Manifest,
  type ManifestFiles,
  type ManifestNode,
  type ParsedManifest,
  locate,
  lower,
  parseManifest,
  renderProblems,
} from '#manifests'
import { installTypescriptLoader } from './ts-loader.js'

export interface LoadedTopology {
  /** Present exactly when there are no errors. */
  readonly topology?: Topology
  /** What can be drawn, also of a topology that has problems; absent when the manifest itself could not be read. */
  readonly graph?: Graph
  readonly problems: readonly LocatedProblem[]
}

export interface LoadedNode {
  readonly manifest: Manifest
  readonly declaration: ManifestNode
  readonly services: readonly ServiceBinding[]
}

const files: ManifestFiles = {
  exists: (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true,
  list: (folder) => (existsSync(folder) ? readdirSync(folder) : []),
}

/** A manifest as text alone tells it, before any service has been imported. */
export type OpenedManifest = ParsedManifest & { readonly file: string }

/** Throws MANIFEST_NOT_FOUND or MANIFEST_UNREADABLE; what is wrong inside is among the problems. */
export async function openManifest(file: string): Promise<OpenedManifest> {
  return { file, ...parseManifest(await readManifest(file), { file, env: process.env, files }) }
}

/** {@link openManifest} and {@link judgeManifest} in one. */
export async function loadTopology(file: string): Promise<LoadedTopology> {
  return judgeManifest(await openManifest(file))
}

/** Imports the services of a manifest, and judges the whole. */
export async function judgeManifest({
  file,
  manifest,
  problems,
  source,
}: OpenedManifest): Promise<LoadedTopology> {
  if (manifest === undefined) return { problems }

  const found: Problem[] = []
  const services = new Map<string, readonly LoadedService[]>()
  for (const [index, node] of manifest.nodes.entries()) {
    const loaded = await loadServices(file, node)
    services.set(node.name, loaded.services)
    found.push(...loaded.problems.map((problem) => ({ ...problem, path: ['nodes', index, ...problem.path] })))
    found.push(...configProblems(node, index, loaded.services))
  }
  const topology = lower(manifest, declarationsOf(manifest, services))
  // A class that could not be loaded produces and consumes nothing; that streams seem to lack an end is then no news.
  if (found.length === 0) found.push(...validate(topology))

  const useOf = (node: string, index: number): number | undefined => services.get(node)?.[index]?.use
  const located = locate(found, source, { useOf })
  const graph = dataflow(topology)
  const failed = located.some(({ severity }) => severity === 'error')
  return failed ? { graph, problems: located } : { topology, graph, problems: located }
}

/** One node's part of a manifest that has been checked before. Throws MANIFEST_INVALID when it no longer is right. */
export async function loadNode(file: string, name: string): Promise<LoadedNode> {
  const { manifest, problems } = await openManifest(file)
  if (manifest === undefined)
    throw new MosaikError('MANIFEST_INVALID', renderProblems(problems, { color: false }))
  const declaration = manifest.nodes.find((node) => node.name === name)
  if (declaration === undefined)
    throw new MosaikError('MANIFEST_INVALID', `${file} no longer has a node "${name}"`)
  const loaded = await loadServices(file, declaration)
  if (loaded.problems.length > 0) {
    throw new MosaikError('MANIFEST_INVALID', loaded.problems.map(({ message }) => message).join('\n'))
  }
  return { manifest, declaration, services: loaded.services.map(({ binding }) => binding) }
}

interface LoadedService {
  readonly binding: ServiceBinding
  /** Which of the node's `use` entries it came from. */
  readonly use: number
}

interface LoadedServices {
  readonly services: readonly LoadedService[]
  /** Paths begin inside the node. */
  readonly problems: readonly Problem[]
}

async function readManifest(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      throw new MosaikError('MANIFEST_NOT_FOUND', `there is no manifest at ${resolve(file)}`, {
        cause: error,
      })
    }
    throw new MosaikError('MANIFEST_UNREADABLE', `cannot read the manifest ${file}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function loadServices(manifestFile: string, node: ManifestNode): Promise<LoadedServices> {
  installTypescriptLoader()
  const services: LoadedService[] = []
  const problems: Problem[] = []
  for (const [use, written] of node.use.entries()) {
    const path = ['use', use]
    const [file = written, exportName] = written.split('#')
    try {
      const exported = (await import(pathToFileURL(resolve(dirname(manifestFile), file)).href)) as Record<
        string,
        unknown
      >
      if (exportName !== undefined && !(exportName in exported)) {
        problems.push(noExport(file, exportName, exported, path))
        continue
      }
      const chosen = exportName === undefined ? exported : { [exportName]: exported[exportName] }
      const collected = servicesIn(chosen)
      if (collected.length === 0) problems.push(noService(written, chosen, path))
      services.push(...collected.map(({ binding }) => ({ binding, use })))
    } catch (error) {
      problems.push(...loadProblems(error, written, path))
    }
  }
  return { services, problems }
}

function noExport(
  file: string,
  name: string,
  exported: Record<string, unknown>,
  path: Problem['path'],
): Problem {
  const likely = suggest(name, Object.keys(exported))
  const names = Object.keys(exported).join(', ')
  const hint =
    likely !== undefined
      ? `did you mean "${file}#${likely}"?`
      : names === ''
        ? 'it exports nothing'
        : `it exports ${names}`
  return {
    code: 'MANIFEST_USE_NO_EXPORT',
    severity: 'error',
    message: `"${file}" exports no "${name}"`,
    path,
    hint,
  }
}

function noService(use: string, exported: Record<string, unknown>, path: Problem['path']): Problem {
  const classes = Object.entries(exported).filter(
    ([, value]) => typeof value === 'function' && /^class\b/.test(String(value)),
  )
  const [first] = classes
  return {
    code: 'MANIFEST_USE_NO_SERVICE',
    severity: 'error',
    message: `"${use}" exports no service`,
    path,
    hint:
      first === undefined
        ? 'export a class that is decorated with @Service()'
        : `decorate the class ${first[0]} with @Service()`,
  }
}

function loadProblems(error: unknown, use: string, path: Problem['path']): Problem[] {
  if (error instanceof DeclarationError) {
    return error.problems.map(({ code, message, hint }) => ({ code, severity: 'error', message, path, hint }))
  }
  const [first = '', ...rest] = stripVTControlCharacters(messageOf(error)).trim().split('\n')
  const detail = rest.map((line) => line.trim()).find((line) => line !== '')
  return [
    {
      code: 'MANIFEST_USE_FAILED',
      severity: 'error',
      message: `"${use}" cannot be loaded: ${first}${detail === undefined ? '' : ` (${detail})`}`,
      path,
    },
  ]
}

function configProblems(node: ManifestNode, index: number, services: readonly LoadedService[]): Problem[] {
  return services.flatMap(({ binding }) =>
    binding.configProblems(node.config).map(({ service, path, message }) => ({
      code: 'CONFIG_INVALID',
      severity: 'error' as const,
      message: `${service} cannot work with this configuration: ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
      path: ['nodes', index, 'config', ...path],
    })),
  )
}

function declarationsOf(manifest: Manifest, services: ReadonlyMap<string, readonly LoadedService[]>) {
  return new Map(
    manifest.nodes.map(({ name }) => [
      name,
      (services.get(name) ?? []).map(({ binding }) => binding.declaration),
    ]),
  )
}

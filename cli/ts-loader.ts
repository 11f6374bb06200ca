// Lets a manifest's `use` name TypeScript files: decorated classes are compiled on the way in, in this thread.
// Node's own type stripping cannot do it, because decorators are not erasable syntax.
import { existsSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { transformSync, type Options } from '@swc/core'

const typescriptFile = /\.[mc]?ts$/

/** `mosaik` always means the copy that is running, so that there is one set of decorators whatever folder a service lives in. */
const ownDoor = import.meta.resolve('mosaik')

/** Libraries that services use and that mosaik has anyway: a service without a node_modules of its own gets ours. */
const lent = new Set(['zod'])

const options: Options = {
  configFile: false,
  swcrc: false,
  sourceMaps: 'inline',
  module: { type: 'es6' },
  jsc: {
    target: 'es2022',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
  },
}

let installed = false

/** Installs the hooks once a process. */
export function installTypescriptLoader(): void {
  if (installed) return
  installed = true
  process.setSourceMapsEnabled(true)
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'mosaik') return next(ownDoor, context)
      const sibling = typescriptSibling(specifier, context.parentURL)
      if (sibling !== undefined) return next(sibling, context)
      if (!lent.has(specifier)) return next(specifier, context)
      try {
        return next(specifier, context)
      } catch {
        return next(specifier, { ...context, parentURL: import.meta.url })
      }
    },
    load(url, context, next) {
      if (!url.startsWith('file:') || !typescriptFile.test(url) || url.includes('/node_modules/'))
        return next(url, context)
      const filename = fileURLToPath(url)
      const { code } = transformSync(readFileSync(filename, 'utf8'), { ...options, filename })
      return { format: 'module', source: code, shortCircuit: true }
    },
  })
}

/** TypeScript writes `./x.js` for what is `./x.ts` on disk. */
function typescriptSibling(specifier: string, parentUrl: string | undefined): string | undefined {
  if (parentUrl === undefined || !typescriptFile.test(parentUrl)) return undefined
  if (!/^\.{1,2}\//.test(specifier) || !specifier.endsWith('.js')) return undefined
  const sibling = new URL(specifier.replace(/\.js$/, '.ts'), parentUrl)
  return existsSync(sibling) ? sibling.href : undefined
}

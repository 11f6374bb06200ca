// `npm test` has each of jest's processes begin with this. Jest compiles all that a test file imports anew for each one,
// which takes V8 a tenth of the time when it is given what it made of the same code before.
import vm from 'node:vm'

interface Compiled {
  readonly code: string
  readonly data: Buffer
}

/** What Node's types do not tell. */
interface Cacheable {
  createCachedData(): Buffer
}

/** By file, and functions by their parameters too. No more files than tests import. */
const modules = new Map<string, Compiled>()
const functions = new Map<string, Compiled>()

const { SourceTextModule, compileFunction } = vm

Object.assign(vm, {
  SourceTextModule: new Proxy(SourceTextModule, {
    construct(target, [code, options]: ConstructorParameters<typeof SourceTextModule>): vm.SourceTextModule {
      const file = options?.identifier
      if (file === undefined || isTest(file)) return new target(code, options)
      const known = modules.get(file)
      if (known?.code === code) {
        try {
          return new target(code, { ...options, cachedData: known.data })
        } catch {
          // V8 does not take it any more, because a test has changed V8's options.
        }
      }
      const module = new target(code, options) as vm.SourceTextModule & Cacheable
      modules.set(file, { code, data: module.createCachedData() })
      return module
    },
  }),

  // What jest itself, and other CommonJS, is made of.
  compileFunction: (
    code: string,
    parameters: readonly string[],
    options: vm.CompileFunctionOptions = {},
  ): ReturnType<typeof compileFunction> => {
    const name = `${options.filename}(${parameters.join()})`
    const known = functions.get(name)
    if (known?.code === code) {
      const compiled = compileFunction(code, parameters, { ...options, cachedData: known.data })
      if (compiled.cachedDataRejected !== true) return compiled
    }
    const compiled = compileFunction(code, parameters, { ...options, produceCachedData: true })
    if (compiled.cachedData) functions.set(name, { code, data: compiled.cachedData })
    return compiled
  },
})

/** A file that nobody imports. */
function isTest(file: string): boolean {
  return file.endsWith('.test.ts')
}

// Makes dist/: declarations by the compiler, and the code in few files. Loading a file costs Node a third of a
// millisecond and garbage, whatever is in it, and with our libraries there are a thousand (docs/decisions/0015).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'

const root = resolve(import.meta.dirname, '..')
const dist = join(root, 'dist')

/** What is imported or run from outside, each at its own place in dist/. What several of them need they share. */
const doors = [
  'index.ts',
  'cli/{main,node-process,register}.ts',
  'framework/*/index.ts',
  '{decorators,manifests}/index.ts',
  // What benchmarks measure alone: parts of groups, and the transport beside streams.
  'framework/groups/{member,raft,storage,sync}/index.ts',
  'framework/network/quic/{binding,transport}.ts',
].flatMap((pattern) => globSync(pattern, { cwd: root }))

/** The class that the benchmark of gossip watches: the one that our code uses, which is not the one in node_modules. */
const gossipsub = new URL('./gossipsub.js', import.meta.resolve('@libp2p/gossipsub'))

/** What stays a package of its own. */
const external = [
  // Shared with the programs that use mosaik: their schemas are to be of our zod, and these two have global state.
  'zod',
  'typedi',
  'reflect-metadata',
  // With native parts.
  '@chainsafe/libp2p-quic',
  '@swc/core',
  'lmdb',
  // Loaded when it is needed, if ever.
  '@viz-js/viz',
  'bittorrent-dht',
  // CommonJS that requires what Node brings, which a bundle of ES modules cannot.
  'dns-packet',
]

/** Gives Node seventy files of CommonJS, and everybody else ES modules, which can be bundled. */
const yaml = fileURLToPath(new URL('../browser/dist/index.js', import.meta.resolve('yaml')))

const compiler = spawn(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
const compiled = once(compiler, 'exit')
await bundle()
const [status] = await compiled
// Types that do not fit are no hindrance to running what was built, which the tests make use of.
if (status !== 0) process.exitCode = 1

async function bundle() {
  const { outputFiles, metafile } = await esbuild
    .build({
      absWorkingDir: root,
      entryPoints: [
        ...doors.map((door) => ({ in: door, out: door.replace(/\.ts$/, '') })),
        { in: fileURLToPath(gossipsub), out: 'bench/gossipsub' },
      ],
      outdir: dist,
      // As deep in dist/ as most of the doors.
      chunkNames: 'chunks/[name]-[hash]',
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node22.15',
      conditions: ['mosaik-source'],
      external,
      alias: { yaml },
      // Errors are named after their classes.
      keepNames: true,
      sourcemap: true,
      sourcesContent: false,
      metafile: true,
      write: false,
      logLevel: 'warning',
    })
    .catch(() => process.exit(2))
  const files = new Map(outputFiles.map(({ path, text }) => [path, nameClassesOnly(text)]))
  for (const [path, text] of files) {
    const [required] = /(?<=\b__require\d*\()"[^"]*"/.exec(text) ?? []
    if (path.endsWith('.js') && required !== undefined) {
      console.error(`${path} requires ${required}: the package that does has to be external`)
      process.exit(2)
    }
  }
  files.set(join(dist, 'THIRD-PARTY-LICENSES.txt'), licences(Object.keys(metafile.inputs)))
  for (const [path, text] of files) put(path, text)
  for (const name of globSync('**/*.{js,js.map}', { cwd: dist })) {
    if (!files.has(join(dist, name))) rmSync(join(dist, name), { force: true })
  }
}

/**
 * Of the names that are kept, those of classes are of use: they are what errors are called. For a function it would cost a
 * definition of a property, and of a prototype, each time one is made, also where that is for every frame. What names a
 * declared function is taken out, its line left empty so that source maps stay true; closures have no prototype, and are
 * passed over.
 */
function nameClassesOnly(text) {
  const helper = 'var __name = (target, value) => __defProp(target, "name", { value, configurable: true });'
  // A class is named from within, as `this`.
  const namesFunction = /^[ \t]*__name\((?!this\b)[\w$]+, "[^"]*"\);$/gm
  return text
    .replace(namesFunction, '')
    .replace(helper, helper.replace('=> ', '=> target.prototype === void 0 ? target : '))
}

/** Replaces a file when it is another: at once, because processes may be loading it. */
function put(path, text) {
  try {
    if (readFileSync(path, 'utf8') === text) return
  } catch {
    mkdirSync(dirname(path), { recursive: true })
  }
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, text)
  renameSync(temporary, path)
}

/** The terms of the libraries that the files contain. */
function licences(inputs) {
  const folders = inputs.map((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0])
  const texts = new Map()
  for (const folder of new Set(folders.filter((folder) => folder !== undefined))) {
    const { name, version, license } = JSON.parse(readFileSync(resolve(root, folder, 'package.json'), 'utf8'))
    const terms = globSync('{LICEN[CS]E,licen[cs]e}*', { cwd: resolve(root, folder) })
      .sort()
      .map((file) => readFileSync(resolve(root, folder, file), 'utf8').trim())
    texts.set(`${name} ${version}`, [`${name} ${version}: ${license}`, ...terms].join('\n\n'))
  }
  const sorted = [...texts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text)
  return `${sorted.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}

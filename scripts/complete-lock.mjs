// Makes `npm ci` accept the lock file that `npm install` has written.
//
// Packages with native parts list one optional package per platform. When the registry in reach does not serve all of
// them, npm leaves those out of the lock file, and `npm ci` then refuses the file as incomplete (npm/cli#9846), although
// none of them would have been installed here. This puts the missing ones back by name and version; npm adds where they
// come from when it can. Run it after every install that changed package-lock.json.
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))
const { packages } = lock
const systems = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const processors = [
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
]

let added = 0
for (const [place, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(place, name) || !/^\d+\.\d+\.\d+/.test(version)) continue
    const { os, cpu, libc } = platformOf(name)
    // In npm's own order, so that the next install finds nothing to rewrite.
    packages[`node_modules/${name}`] = {
      version,
      ...(cpu && { cpu: [cpu] }),
      ...(entry.dev === true && { dev: true }),
      ...(libc && { libc: [libc] }),
      optional: true,
      ...(os && { os: [os] }),
    }
    added++
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added === 0 ? 'the lock file is complete' : `added ${added} optional packages of other platforms`)

/** A dependency may be locked beside its dependant, or at any level further out. */
function isLocked(place, name) {
  const levels = place.split('/node_modules/')
  return (
    levels.some((_, depth) => {
      const outer = levels.slice(0, levels.length - depth).join('/node_modules/')
      return packages[outer === '' ? `node_modules/${name}` : `${outer}/node_modules/${name}`] !== undefined
    }) || packages[`node_modules/${name}`] !== undefined
  )
}

/** The platform is part of such a package's name: `@swc/core-linux-arm64-gnu`. */
function platformOf(name) {
  const words = name.split(/[-/.]/)
  const os = systems.find((system) => words.includes(system))
  const cpu =
    processors.find((processor) => words.includes(processor)) ??
    (/eabi|gnueabihf/.test(name) ? 'arm' : undefined)
  const libc = words.includes('musl') ? 'musl' : os === 'linux' && words.includes('gnu') ? 'glibc' : undefined
  return { os, cpu, libc }
}

#!/usr/bin/env node
// The Node first on PATH may be older than mosaik needs; then the one that the install brought takes over.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 22 || (major === 22 && minor >= 15)) {
  // Before anything is imported, and inherited by the node processes: compiled code is kept from one run to the next.
  const { enableCompileCache } = await import('node:module')
  const { directory } = enableCompileCache()
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= directory
  await import('../dist/cli/main.js')
} else {
  const bundled = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))
  if (!existsSync(bundled)) {
    console.error(`mosaik needs Node 22.15 or newer; this is ${process.version}. "npm install" brings one.`)
    process.exit(1)
  }
  const child = spawn(bundled, process.argv.slice(1), { stdio: 'inherit' })
  // Signals go to the child, which decides how to stop; this process only reports how it ended.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exit(code ?? (signal === 'SIGINT' ? 130 : 1))
  })
}

// Imports mosaik and says which source files that has loaded, then starts a host and says it again.
import { existsSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const urls = []
registerHooks({
  load(url, context, next) {
    urls.push(url)
    return next(url, context)
  },
})

/** A file of dist/ is made of many, which its source map names. */
function sourcesOf(url) {
  const map = url.startsWith('file:') ? `${fileURLToPath(url)}.map` : ''
  if (!existsSync(map)) return [url]
  return JSON.parse(readFileSync(map, 'utf8')).sources.map((source) => new URL(source, url).href)
}
const report = () => process.stdout.write(`${JSON.stringify(urls.flatMap(sourcesOf))}\n`)

const { Host, digestOf } = await import('../../../dist/index.js')
report()
const host = await Host.start({ network: digestOf('loading') })
report()
await host.close()

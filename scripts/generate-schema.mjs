// Writes schema/mosaik.schema.json from the manifest format in dist/; with --check it only says whether the file is up to
// date. Run `npm run build` first.
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { manifestJsonSchema } from '../dist/manifests/index.js'

const file = fileURLToPath(new URL('../schema/mosaik.schema.json', import.meta.url))
const options = await resolveConfig(file)
const generated = await format(JSON.stringify(manifestJsonSchema()), { ...options, parser: 'json' })

if (!process.argv.includes('--check')) {
  await writeFile(file, generated)
} else if ((await readFile(file, 'utf8')) !== generated) {
  console.error(
    'schema/mosaik.schema.json is not what the manifest format says: run node scripts/generate-schema.mjs',
  )
  process.exitCode = 1
}

// npm run sim -- [--seeds n] [--minutes n] [--from seed] [--members kind] [--story name] [--fault name] [--trace lines] [--threads n]
import { bundle } from './bundle.ts'

const folder = await bundle()
process.setSourceMapsEnabled(true)
const { main } = await import(new URL('main.mjs', folder).href)
process.exitCode = await main(process.argv.slice(2))

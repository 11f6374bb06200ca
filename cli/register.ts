// `node --import mosaik/register program.ts`: runs a TypeScript program with decorated services, without a build of its own.
import { installTypescriptLoader } from './ts-loader.js'

installTypescriptLoader()

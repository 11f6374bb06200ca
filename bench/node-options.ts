import { nodeArguments } from '../cli/supervisor/node-arguments.ts'

/** What `mosaik up` gives its node processes, for what is measured in processes like them. */
export const nodeOptions = nodeArguments([], {})

import { createRequire } from 'node:module'

// Not a dependency of ours: the one that comes with jest, as jest finds it.
const { default: Runtime } = createRequire(import.meta.resolve('jest'))('jest-runtime')

/**
 * Jest refuses an `import()` outside of tests, and takes it that it is outside as soon as the first of several concurrent
 * tests has ended. Here it is when the last has.
 */
export default class ConcurrentRuntime extends Runtime {
  #runningCount = 0

  /** @override */
  enterTestCode() {
    this.#runningCount++
    super.enterTestCode()
  }

  /** @override */
  leaveTestCode() {
    this.#runningCount--
    if (this.#runningCount === 0) super.leaveTestCode()
  }
}

/** The turns of the event loop, in simulated time. */
export interface Turns extends Disposable {
  /** Resolves when nothing is left to do at this moment: all promises that could be settled are. */
  settled(): Promise<void>
}

/**
 * Has what the code puts off to the next turn of the event loop planned like everything else, until it is disposed of. Nothing
 * else of a world waits for real time, so that between two turns of the real event loop all promises come to rest.
 */
export function simulateTurns(plan: (run: () => void) => void): Turns {
  const real = globalThis.setImmediate
  const simulated = (run: () => void): void => plan(run)
  globalThis.setImmediate = simulated as unknown as typeof setImmediate
  return {
    settled: () => new Promise((resolve) => real(resolve)),
    [Symbol.dispose]: () => {
      globalThis.setImmediate = real
    },
  }
}

// What the services of one node share: one container, and its end.
import { messageOf, type Clock, type Logger } from '#framework/primitives'
import type { ServiceRuntime } from '#framework/topology'
import { within } from './bounded.js'
import { createContainer, type Container } from './container.js'
import { configOf } from './configuration.js'
import { dependenciesOf } from './dependencies.js'
import type { Class } from './records.js'

/** How long everything together may take to dispose of itself: a node that closes does not wait for ever. */
const disposeTimeoutMs = 2_000

/** A share in the instances of a node. */
export interface NodeScope {
  /** @throws What a constructor throws. */
  get(ctor: Class): object
  /** Gives the share back. The last one disposes of everything that was made, last made first. Never rejects. */
  release(): Promise<void>
}

interface SharedScope {
  readonly container: Container
  shareCount: number
}

/** Keyed by what a node has exactly one of. */
const scopes = new WeakMap<object, SharedScope>()

/** The scope of the node that the runtime belongs to. */
export function scopeOf({ streams, config, clock, logger }: ServiceRuntime): NodeScope {
  const shared = scopes.get(streams) ?? {
    container: createContainer(dependenciesOf, (instance, ctor) => {
      for (const { placement, value } of configOf(ctor, config)) placement.assign(instance, value)
    }),
    shareCount: 0,
  }
  scopes.set(streams, shared)
  shared.shareCount++
  return {
    get: (ctor) => shared.container.get(ctor),
    async release() {
      shared.shareCount--
      if (shared.shareCount > 0) return
      scopes.delete(streams)
      await disposeAll(shared.container.made, clock, logger)
    },
  }
}

async function disposeAll(instances: readonly object[], clock: Clock, logger: Logger): Promise<void> {
  const dueMs = clock.monotonic() + disposeTimeoutMs
  for (const instance of instances.toReversed()) {
    const { [Symbol.asyncDispose]: disposeLater, [Symbol.dispose]: dispose } = instance as Partial<
      AsyncDisposable & Disposable
    >
    try {
      const disposed = await within(clock, Math.max(0, dueMs - clock.monotonic()), async () => {
        if (disposeLater !== undefined) await disposeLater.call(instance)
        else dispose?.call(instance)
      })
      if (!disposed) logger.warn(`${instance.constructor.name} did not dispose of itself in time`)
    } catch (error) {
      logger.warn(`${instance.constructor.name} failed to dispose of itself: ${messageOf(error)}`)
    }
  }
}

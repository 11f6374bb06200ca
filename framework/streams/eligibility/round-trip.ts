import type { PeerEntry } from '#framework/discovery'
import type { Host } from '#framework/network'
import type { Clock } from '#framework/primitives'

/** How long a subscription is held up for it, in milliseconds: a connection measures at once, so more is not to be expected. */
const patienceMs = 2_000

/**
 * Connects to a peer whose round trip is not known, and resolves when it is, or when it takes too long: who cannot be
 * measured gets a chance.
 *
 * @throws What connecting throws; the signal's reason.
 */
export async function measureRoundTrip(
  { host, clock }: { readonly host: Host; readonly clock: Clock },
  { peer, addresses }: PeerEntry,
  signal: AbortSignal,
): Promise<void> {
  if (host.rtt.get(peer) !== undefined) return
  const known = Promise.withResolvers<void>()
  const unsubscribe = host.rtt.subscribe((each) => {
    if (each === peer) known.resolve()
  })
  try {
    await host.connect({ peer, addresses }, { signal })
    signal.throwIfAborted()
    using deadline = clock.deadline(patienceMs, signal)
    deadline.signal.addEventListener('abort', () => known.resolve(), { once: true })
    await known.promise
    signal.throwIfAborted()
  } finally {
    unsubscribe()
  }
}

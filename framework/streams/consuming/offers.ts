import type { PeerEntry } from '#framework/discovery'
import type { StreamId } from '#framework/primitives'

/** By entry, for as long as there is one: entries never change, and every consumer of a node asks about each. */
const produced = new WeakMap<PeerEntry, ReadonlySet<StreamId>>()

/** Whether the peer says that it produces the stream. Costs the same however many it produces. */
export function isProducerOf(entry: PeerEntry, stream: StreamId): boolean {
  let streams = produced.get(entry)
  if (streams === undefined) {
    streams = new Set(entry.produces.map(({ id }) => id))
    produced.set(entry, streams)
  }
  return streams.has(stream)
}

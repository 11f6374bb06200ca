import { expect, test } from '@jest/globals'
import type { PeerEntry } from '#framework/discovery'
import { learnEntry, type StreamsContext } from '../../framework/streams/streams-context.js'
import { entryNamed } from '../discovery/ranking-support.js'

test('given a peer that says the same with each handshake, then it is looked at once for each entry that the catalog has of it', () => {
  const { peer } = entryNamed('peer')
  let entry: PeerEntry | undefined
  const fed: Uint8Array[] = []
  const context = {
    discovery: {
      catalog: { value: { get: () => entry } },
      feed: (record: Uint8Array) => {
        fed.push(record)
        entry = entryNamed('peer')
      },
    },
    said: new WeakMap(),
  } as unknown as StreamsContext
  const [first, second] = [Uint8Array.of(1), Uint8Array.of(2)]
  for (const record of [first, Uint8Array.from(first), second, second]) learnEntry(context, peer, record)
  expect(fed).toEqual([first, second])
  // The catalog has let go of it, and then hears of it from somebody else.
  entry = undefined
  learnEntry(context, peer, second)
  entry = entryNamed('peer')
  learnEntry(context, peer, second)
  expect(fed).toEqual([first, second, second, second])
})

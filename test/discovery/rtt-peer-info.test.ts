import { describe, expect, test } from '@jest/globals'
import { peerInfoOf } from '../../framework/discovery/peer-info.js'
import { entryNamed } from './ranking-support.js'

const entry = entryNamed('peer', { tags: ['gpu'], labels: { region: 'eu' } })

describe('what a predicate sees', () => {
  test('given a PeerInfo, then tags, id and network are those of the entry, and so is all else', () => {
    const info = peerInfoOf(entry, undefined)
    expect(info.tags).toEqual(entry.tags)
    expect(info.peer).toBe(entry.peer)
    expect(info.network).toBe(entry.network)
    expect(info).toMatchObject(entry)
  })

  test('given no RTT, then it is below 1 ms; given 150 ms, then it is below 200 ms, and not below 100 ms nor 150 ms', () => {
    expect(peerInfoOf(entry, undefined).rttBelow(1)).toBe(true)
    const info = peerInfoOf(entry, 150)
    expect([200, 150, 100].map((ms) => info.rttBelow(ms))).toEqual([true, false, false])
  })
})

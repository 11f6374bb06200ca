import { expect, test } from '@jest/globals'
import { Child } from './child.js'

const libp2p = /\/node_modules\/(libp2p|@libp2p|@chainsafe\/libp2p-\w+)\//

/** Those of libp2p, by package. */
function packagesOf(sources: readonly string[]): ReadonlySet<string> {
  return new Set(sources.flatMap((source) => libp2p.exec(source)?.[1] ?? []))
}

test('given a program that only imports mosaik, then nothing of libp2p is loaded before a host starts', async () => {
  await using child = new Child('loaded-modules')
  const imported = await child.line<string[]>()
  const started = await child.line<string[]>()
  expect(imported).toContainEqual(expect.stringMatching(/\/framework\/network\/host\.ts$/))
  expect(imported.filter((source) => libp2p.test(source))).toEqual([])
  expect([...packagesOf(started)].sort()).toEqual([
    '@chainsafe/libp2p-quic',
    '@chainsafe/libp2p-yamux',
    '@libp2p',
    'libp2p',
  ])
})

test('given a host that has started, then what only some hosts need is not loaded', async () => {
  await using child = new Child('loaded-modules')
  await child.line<string[]>()
  const started = await child.line<string[]>()
  const rare = /\/node_modules\/(@libp2p\/(tls|circuit-relay-v2)|@chainsafe\/libp2p-noise|bittorrent-dht)\//
  expect(started.filter((source) => rare.test(source))).toEqual([])
})

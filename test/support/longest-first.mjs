import Sequencer from '@jest/test-sequencer'

/**
 * Test files that take long although they are short, in seconds on two idle cores. What matters is that they are first,
 * not how long they take.
 *
 * @type {Readonly<Record<string, number>>}
 */
const usualSeconds = {
  'apps/orderbook': 50,
  'cli/up': 35,
  'discovery/dht': 28,
  'cli/beacon': 25,
  // Has two threads of its own, so it is not to begin together with the two that start the most processes.
  'sim/campaign': 23,
  'network/hostile': 23,
  'nat/nat': 19,
  'discovery/departure': 17,
  'network/close': 15,
  'sim/production/worlds': 14,
  'network/byte-stream': 14,
  'groups/scenarios/founding': 13,
  'cli/dht': 13,
  'network/reach-relay': 13,
  'groups/scenarios/partitions': 12,
  'discovery/discovery': 12,
  'discovery/hostile-peers': 11,
  'groups/bond/bonds': 10,
  'manifests/properties': 10,
}

/**
 * The order of test files where none has been measured yet, as in a fresh checkout: jest would take the largest files
 * first, and wait at the end for a short one that takes a minute. What it has measured it orders by itself.
 */
export default class LongestFirst extends Sequencer {
  /** @override */
  async sort(tests) {
    const sorted = await super.sort(tests)
    return sorted.toSorted((a, b) => this.#expectedSeconds(b) - this.#expectedSeconds(a))
  }

  #expectedSeconds(test) {
    if (this._getCache(test)[test.path] !== undefined) return 0
    const [, name = ''] = /\/test\/(.*)\.test\.ts$/.exec(test.path.replaceAll('\\', '/')) ?? []
    return usualSeconds[name] ?? 0
  }
}

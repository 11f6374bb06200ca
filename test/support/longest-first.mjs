import Sequencer from '@jest/test-sequencer'

/**
 * Test files that take long although they are short, in seconds on two idle cores. What matters is that they are first,
 * not how long they take.
 *
 * @type {Readonly<Record<string, number>>}
 */
const usualSeconds = {
  'cli/up': 54,
  'apps/orderbook': 45,
  'cli/beacon': 40,
  'discovery/dht': 36,
  // Has two threads of its own, so it is not to begin together with the two that start the most processes.
  'sim/campaign': 35,
  'nat/nat': 29,
  'network/close': 27,
  'discovery/hostile-peers': 26,
  'network/hostile': 26,
  'groups/sync/catch-up': 26,
  'network/byte-stream': 20,
  'groups/bond/bonds': 19,
  'groups/scenarios/partitions': 18,
  'discovery/discovery': 18,
  'discovery/departure': 18,
  'decorators/launch-groups': 16,
  'manifests/properties': 16,
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

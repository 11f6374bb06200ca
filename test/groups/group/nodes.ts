import { Discovery } from '#framework/discovery'
import { Host, type HostOptions, type Identity } from '#framework/network'
import { randomDigest, systemRandom, type Logger, type NetworkId, type PeerId } from '#framework/primitives'
import { GroupKey, Groups, type Group, type GroupOptions, type StorageProvider } from '#framework/groups'
import { meet, together } from '../../support/meeting.js'
import { Counter, type CounterCommand } from '../machine/counter.js'

export { discoverAll } from '../../support/meeting.js'

export type CounterGroup = Group<CounterCommand, number, 'value', number>
export type CounterOptions = Partial<GroupOptions<CounterCommand, number, 'value', number>>

/** A key that all tests may share: groups of different networks never meet. */
export const sharedKey = GroupKey.random()

/** Quick elections: the machines that tests run on are slow now and then, and tests wait for many of them. */
export const quickly = {
  heartbeatIntervalMs: 100,
  heartbeatJitterMs: 30,
  electionTimeoutMs: 600,
  electionJitterMs: 300,
} as const

const counter = (): Counter => new Counter()

/** A node with groups. */
export class GroupNode implements AsyncDisposable {
  readonly host: Host
  readonly discovery: Discovery
  readonly groups: Groups

  private constructor(host: Host, discovery: Discovery, groups: Groups) {
    this.host = host
    this.discovery = discovery
    this.groups = groups
  }

  static async start(
    network: NetworkId,
    options: {
      readonly storage?: StorageProvider
      readonly identity?: Identity
      readonly limits?: HostOptions['limits']
      readonly logger?: Logger
    } = {},
  ): Promise<GroupNode> {
    const { storage, identity, limits, logger } = options
    const host = await Host.start({
      network,
      listen: ['/ip4/127.0.0.1/udp/0/quic-v1'],
      ...(identity && { identity }),
      ...(limits && { limits }),
    })
    const discovery = await Discovery.start({ host })
    return new GroupNode(host, discovery, Groups.start({ host, discovery, storage, logger }))
  }

  get peerId(): PeerId {
    return this.host.peerId
  }

  join(options: CounterOptions = {}): Promise<CounterGroup> {
    return this.groups.join({ key: sharedKey, machine: counter, timing: quickly, ...options })
  }

  meet(other: GroupNode): Promise<void> {
    return meet(this, other)
  }

  /** Disappears without a word to anybody, as far as that is possible within a process. */
  async vanish(): Promise<void> {
    await this.host.close()
    await this[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.groups.close()
    await this.discovery.close()
    await this.host.close()
  }
}

/** Nodes of a network of their own. */
export async function startNodes(count: number): Promise<GroupNode[] & AsyncDisposable> {
  const network = randomDigest(systemRandom)
  const nodes = await Promise.all(Array.from({ length: count }, () => GroupNode.start(network)))
  return together(nodes)
}

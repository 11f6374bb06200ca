import { expect } from '@jest/globals'
import { Discovery, type TicketValidator } from '#framework/discovery'
import { Host, type HostOptions, type Identity } from '#framework/network'
import {
  digestOf,
  randomDigest,
  systemRandom,
  toHex,
  type Clock,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import type { Bond, BondEnd } from '../../../framework/groups/bond/bond.js'
import type { BondLimits } from '../../../framework/groups/bond/bond-limits.js'
import { BondService } from '../../../framework/groups/bond/bond-service.js'
import type {
  GroupBonds,
  GroupEvents,
  MembershipOptions,
} from '../../../framework/groups/bond/group-bonds.js'
import type { GroupParameters } from '../../../framework/groups/bond/group-id.js'
import { GroupKey } from '../../../framework/groups/bond/group-key.js'
import { timingOf, type GroupTiming } from '../../../framework/groups/bond/group-timing.js'
import type { Lane } from '../../../framework/groups/bond/lanes.js'
import { eventually } from '../../support/eventually.js'
import { discoverAll, meet, together } from '../../support/meeting.js'

export { discoverAll }

export interface NodeOptions {
  readonly identity?: Identity
  readonly listen?: HostOptions['listen']
  readonly limits?: Partial<BondLimits>
  /** For the bonds alone. Default: the clock of the machine. */
  readonly clock?: Clock
}

export interface JoinOptions extends Partial<Omit<MembershipOptions, 'key' | 'parameters' | 'events'>> {
  readonly key?: GroupKey
  readonly validators?: readonly TicketValidator[]
  readonly timing?: Partial<GroupTiming>
  readonly stateMachine?: string
  readonly events?: Partial<GroupEvents>
}

/** A key that all tests may share: groups of different networks never meet. */
export const sharedKey = GroupKey.random()

export function parametersOf(
  options: JoinOptions = {},
): GroupParameters & { validators: readonly TicketValidator[] } {
  const { validators = [], timing, stateMachine = 'noop' } = options
  return {
    timing: timingOf(timing),
    stateMachine: digestOf(stateMachine),
    stateSync: digestOf('log replay'),
    validators,
  }
}

/** A group as one node sees it, and all that has happened there. */
export class TestGroup {
  readonly bonds: GroupBonds
  readonly received: { readonly from: PeerId; readonly lane: Lane; readonly text: string }[] = []
  readonly lost: BondEnd[] = []
  readonly made: Bond[] = []

  constructor(service: BondService, options: JoinOptions) {
    const {
      key = sharedKey,
      incarnation = toHex(systemRandom.bytes(8)),
      role,
      capabilities,
      events,
    } = options
    this.bonds = service.join({
      key,
      parameters: parametersOf(options),
      incarnation,
      ...(role && { role }),
      ...(capabilities && { capabilities }),
      events: {
        onBonded: (bond) => {
          this.made.push(bond)
          events?.onBonded?.(bond)
        },
        onMessage: (bond, lane, message) => {
          this.received.push({ from: bond.peer, lane, text: new TextDecoder().decode(message) })
          return events?.onMessage?.(bond, lane, message)
        },
        onLost: (bond, end) => {
          this.lost.push(end)
          events?.onLost?.(bond, end)
        },
      },
    })
  }

  get peers(): PeerId[] {
    return [...this.bonds.mesh].map(({ peer }) => peer)
  }

  bondWith(node: TestNode): Bond {
    const bond = this.bonds.mesh.get(node.peerId)
    if (bond === undefined) throw new Error('there is no such bond')
    return bond
  }
}

/** A node of the layers up to bonds, over QUIC on loopback. */
export class TestNode implements AsyncDisposable {
  readonly host: Host
  readonly discovery: Discovery
  readonly service: BondService

  private constructor(host: Host, discovery: Discovery, service: BondService) {
    this.host = host
    this.discovery = discovery
    this.service = service
  }

  static async start(network: NetworkId, options: NodeOptions = {}): Promise<TestNode> {
    const { identity, listen = ['/ip4/127.0.0.1/udp/0/quic-v1'], limits, clock } = options
    const host = await Host.start({ network, listen, ...(identity && { identity }) })
    const discovery = await Discovery.start({ host })
    const service = new BondService({ host, discovery, ...(limits && { limits }), ...(clock && { clock }) })
    return new TestNode(host, discovery, service)
  }

  get peerId(): PeerId {
    return this.host.peerId
  }

  join(options: JoinOptions = {}): TestGroup {
    return new TestGroup(this.service, options)
  }

  meet(other: TestNode): Promise<void> {
    return meet(this, other)
  }

  metric(name: string, labels: Record<string, string>): number {
    return this.host.metrics.value(name, labels) ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.close()
    await this.discovery.close()
    await this.host.close()
  }
}

/** Starts nodes in a fresh network, one for each of the options, in the order of their peer ids. */
export async function startNodes(...options: readonly NodeOptions[]): Promise<TestNode[] & AsyncDisposable> {
  const network = randomDigest(systemRandom)
  const nodes = await Promise.all(options.map((each) => TestNode.start(network, each)))
  nodes.sort((a, b) => (a.peerId < b.peerId ? -1 : 1))
  return together(nodes)
}

/** Waits until a node has bonds with exactly these others in the group. */
export async function bondedWith(group: TestGroup, ...nodes: readonly TestNode[]): Promise<void> {
  await eventually(() => expect(group.peers).toEqual(nodes.map(({ peerId }) => peerId).sort()), {
    timeoutMs: 8_000,
  })
}

/** Two nodes that are bonded, the one with the smaller peer id first. */
export async function bondedPair(options: JoinOptions = {}, nodeOptions: NodeOptions = {}) {
  const nodes = await startNodes(nodeOptions, nodeOptions)
  const [small, large] = nodes as unknown as [TestNode, TestNode]
  const groups = [small.join(options), large.join(options)] as const
  await discoverAll(nodes)
  await bondedWith(groups[0], large)
  await bondedWith(groups[1], small)
  return { small, large, groups, [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose]() }
}

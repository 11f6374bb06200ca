import {
  digestOf,
  encodeUtf8,
  type Clock,
  type Logger,
  type PeerId,
  type Random,
} from '#framework/primitives'
import { BondService } from '../../../framework/groups/bond/bond-service.js'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import { groupIdOf } from '../../../framework/groups/bond/group-id.js'
import { GroupKey } from '../../../framework/groups/bond/group-key.js'
import { timingOf, type GroupTiming } from '../../../framework/groups/bond/group-timing.js'
import type { Lane } from '../../../framework/groups/bond/lanes.js'
import { GroupHandle } from '../../../framework/groups/group-handle.js'
import type { RaftOptions } from '../../../framework/groups/raft/options.js'
import type { FoundingPolicy, MembershipLimits } from '../../../framework/groups/raft/index.js'
import type { StorageProvider } from '../../../framework/groups/storage/storage.js'
import { stateSyncSignature } from '../../../framework/groups/sync/state-sync.js'
import { DEFAULT_SYNC } from '../../../framework/groups/sync/sync-settings.js'
import { Bundles } from '../../../framework/groups/worker/bundles.js'
import { GroupWorker } from '../../../framework/groups/worker/group-worker.js'
import { Ticker } from '../../../framework/groups/worker/ticker.js'
import type { RegisterOutput } from '../clients/register.js'
import { NodeDiscovery } from './node-discovery.js'
import { NodeHost, type NodeHostOptions } from './node-host.js'
import type { ObservedMachine } from './observed-machine.js'
import { RegistersMachine, type Write } from './registers-machine.js'

/** How the one group of a world is set up, the same on all nodes. */
export interface GroupSetup {
  readonly timing: GroupTiming
  readonly founding: FoundingPolicy
  readonly stillbornAfterTicks: number
  readonly reformAfterTicks: number | undefined
  readonly limits: MembershipLimits
  readonly raft: Pick<
    RaftOptions,
    'heartbeatTicks' | 'electionTicks' | 'electionJitterTicks' | 'quiesceAfterTicks' | 'limits' | 'faults'
  >
  readonly checkpointEntries: number
  readonly peers: readonly PeerId[]
}

export interface NodeOptions {
  readonly setup: GroupSetup
  readonly peerId: PeerId
  readonly machine: ObservedMachine
  readonly storages: StorageProvider
  readonly openStream: NodeHostOptions['openStream']
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** A message has come over a bond, and is about to be dealt with. */
  readonly onMessage: (bond: Bond, lane: Lane, message: Uint8Array) => void
  readonly onBond: (bond: Bond, what: 'made' | 'lost') => void
}

const key = GroupKey.fromBytes(encodeUtf8('the key of the simulated group.!'))

function parametersOf(timing: GroupTiming) {
  const { signature } = new RegistersMachine()
  const stateSync = stateSyncSignature('snapshot', DEFAULT_SYNC)
  return { timing: timingOf(timing), stateMachine: digestOf(signature), stateSync, validators: [] }
}

/** What the group of a world is known by. */
export function groupOf({ timing }: GroupSetup) {
  return groupIdOf(key, parametersOf(timing))
}

/** A program that is in the group: everything of production, from its handles to the streams and the storage. */
export class Node {
  readonly worker: GroupWorker<Write, RegisterOutput, string, string>
  readonly host: NodeHost
  readonly #bonds: BondService
  readonly #options: NodeOptions

  private constructor(
    options: NodeOptions,
    host: NodeHost,
    bonds: BondService,
    worker: GroupWorker<Write, RegisterOutput, string, string>,
  ) {
    this.#options = options
    this.host = host
    this.#bonds = bonds
    this.worker = worker
  }

  /** @throws GroupStorageError */
  static async start(options: NodeOptions): Promise<Node> {
    const { setup, peerId, machine, storages, clock, random, logger, openStream } = options
    const {
      timing,
      founding,
      stillbornAfterTicks,
      reformAfterTicks,
      limits,
      raft,
      checkpointEntries,
      peers,
    } = setup
    const id = groupOf(setup)
    const host = new NodeHost({ peerId, clock, openStream })
    const discovery = new NodeDiscovery(peerId, peers, id)
    const bonds = new BondService({ host, discovery, clock, random, logger })
    const worker = await GroupWorker.start({
      id,
      peer: peerId,
      bonds: observed(bonds, options),
      membership: { key, parameters: parametersOf(timing), role: 'member' },
      storages,
      machine,
      raft,
      checkpointEntries,
      founding,
      stillbornAfterTicks,
      limits,
      reformAfterTicks,
      ticker: new Ticker(clock),
      bundles: new Bundles(host.metrics),
      clock,
      random,
      logger,
    })
    return new Node(options, host, bonds, worker)
  }

  /** Another handle of the group. */
  handle(): GroupHandle<Write, RegisterOutput, string, string> {
    const { clock, random } = this.#options
    const release = async (): Promise<void> => {}
    return new GroupHandle({
      worker: this.worker,
      consistency: 'strong',
      isReader: false,
      clock,
      random,
      release,
    })
  }

  /** Leaves the group for good, as far as the others let it. */
  async leave(timeoutMs: number): Promise<void> {
    await this.worker.close(timeoutMs, false)
    await this.#bonds.close()
  }
}

/** The bonds of production, with somebody who looks on. */
function observed(
  service: BondService,
  { onMessage, onBond }: Pick<NodeOptions, 'onMessage' | 'onBond'>,
): Pick<BondService, 'join' | 'leave'> {
  return {
    join: (options) =>
      service.join({
        ...options,
        events: {
          onBonded: (bond) => {
            onBond(bond, 'made')
            options.events.onBonded?.(bond)
          },
          onMessage: (bond, lane, message) => {
            onMessage(bond, lane, message)
            return options.events.onMessage(bond, lane, message)
          },
          onDoubt: (bond, silentMs) => options.events.onDoubt?.(bond, silentMs),
          onLost: (bond, end) => {
            onBond(bond, 'lost')
            options.events.onLost?.(bond, end)
          },
        },
      }),
    leave: (bonds) => service.leave(bonds),
  }
}

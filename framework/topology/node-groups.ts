import { join } from 'node:path'
import {
  MosaikError,
  Watch,
  type Clock,
  type Logger,
  type Random,
  type ReadonlyWatch,
} from '#framework/primitives'
import type { Discovery } from '#framework/discovery'
import {
  Groups,
  MemoryStorages,
  openLmdbStorages,
  type Founding,
  type Group,
  type GroupKey,
  type GroupOptions,
  type GroupStatus,
  type StorageProvider,
} from '#framework/groups'
import type { Host } from '#framework/network'
import { isLoopbackAddress } from './loopback.js'
import type { GroupStorageKind } from './model.js'
import { sharedGroupKey } from './replica-identity.js'

/** What holds of a group on a node, whatever its services say. */
export interface GroupSettings {
  readonly key?: GroupKey
  /** How many voters there are at most. */
  readonly voters?: number
  readonly storage?: GroupStorageKind
  readonly evictAfterMs?: number
  /** For services that do not say how the group is founded. */
  readonly founding?: Founding
}

/** How a service joins a group. What it leaves out comes from the node. */
export interface JoinGroupOptions<C = unknown, R = unknown, Q = unknown, A = unknown> extends Omit<
  GroupOptions<C, R, Q, A>,
  'key' | 'storage'
> {
  /** Default: made of the network's secret and the group's name. */
  readonly key?: GroupKey | undefined
  /** Default: `lmdb` on a node with a data folder, else `memory`. */
  readonly storage?: GroupStorageKind | undefined
}

/** A group that a node is in, by the name that its services know it by. */
export interface NamedGroupStatus {
  readonly name: string
  readonly status: GroupStatus
}

export interface NodeGroupsOptions {
  readonly host: Host
  readonly discovery: Discovery
  /** Name of the network. */
  readonly network: string
  /** Of a closed network. */
  readonly secret?: string | Uint8Array | undefined
  /** The node's data folder. */
  readonly data?: string | undefined
  /** By name of the group. */
  readonly settings: Readonly<Record<string, GroupSettings>>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * The groups that the services of a node take part in, by name. Nothing of it is there before the first group is joined:
 * most nodes are in none.
 */
export class NodeGroups {
  readonly #options: NodeGroupsOptions
  readonly #joined = new Map<string, GroupOptions>()
  readonly #statuses = new Watch<readonly NamedGroupStatus[]>([])
  #groups: Groups | undefined
  #memory: StorageProvider | undefined
  #lmdb: Promise<StorageProvider> | undefined
  #closing: Promise<void> | undefined

  constructor(options: NodeGroupsOptions) {
    this.#options = options
  }

  /** The groups that were joined, in that order. Ends when they are closed. */
  get statuses(): ReadonlyWatch<readonly NamedGroupStatus[]> {
    return this.#statuses.asReadonly()
  }

  /**
   * Joins a group. Services of a node that join the same share one member, for which the options of the first hold.
   *
   * @throws MosaikError `GROUP_STORAGE_WITHOUT_DATA`; what {@link Groups.join} throws.
   */
  async join<C, R, Q, A>(name: string, options: JoinGroupOptions<C, R, Q, A>): Promise<Group<C, R, Q, A>> {
    let resolved = this.#joined.get(name) as unknown as GroupOptions<C, R, Q, A> | undefined
    const isFirst = resolved === undefined
    resolved ??= await this.#resolve(name, options)
    this.#joined.set(name, resolved as unknown as GroupOptions)
    const { host, discovery, clock, random, logger } = this.#options
    this.#groups ??= Groups.start({ host, discovery, clock, random, logger })
    const group = await this.#groups.join(resolved)
    if (isFirst) this.#follow(name, group.status)
    return group
  }

  /** Leaves the groups, then closes what they were stored in. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#groups?.close()
    } finally {
      this.#statuses.end()
      await this.#memory?.close()
      await (await this.#lmdb?.catch(() => undefined))?.close()
    }
  }

  async #resolve<C, R, Q, A>(
    name: string,
    options: JoinGroupOptions<C, R, Q, A>,
  ): Promise<GroupOptions<C, R, Q, A>> {
    const { host, network, secret, settings, logger } = this.#options
    const own = Object.hasOwn(settings, name) ? settings[name] : undefined
    const key = own?.key ?? options.key
    const isOpen = key === undefined && secret === undefined && options.requireTicket === undefined
    if (isOpen && !host.addresses.value.every(isLoopbackAddress))
      logger.warn(`anybody who knows the names of the network and of group "${name}" can be a member of it`)
    return {
      ...options,
      key: key ?? sharedGroupKey({ network, secret }, name),
      storage: await this.#storage(name, own?.storage ?? options.storage),
      founding: options.founding ?? own?.founding,
      maxVoters: own?.voters ?? options.maxVoters,
      evictAfterMs: own?.evictAfterMs ?? options.evictAfterMs,
    }
  }

  async #storage(name: string, kind: GroupStorageKind | undefined): Promise<StorageProvider> {
    const { data, random } = this.#options
    if ((kind ?? (data === undefined ? 'memory' : 'lmdb')) === 'memory')
      return (this.#memory ??= new MemoryStorages({ random }))
    if (data === undefined) {
      throw new MosaikError(
        'GROUP_STORAGE_WITHOUT_DATA',
        `group "${name}" cannot be kept without a folder for data`,
      )
    }
    this.#lmdb ??= openLmdbStorages({ folder: join(data, 'groups'), random })
    return this.#lmdb
  }

  #follow(name: string, status: ReadonlyWatch<GroupStatus>): void {
    this.#statuses.update((all) => [...all, { name, status: status.value }])
    status.subscribe((value) =>
      this.#statuses.update((all) =>
        all.map((each) => (each.name === name ? { name, status: value } : each)),
      ),
    )
  }
}

import type { Clock, GroupId, Random } from '#framework/primitives'
import type { ChainHasher } from '../../raft/chain-hash.js'
import type { Index } from '../../raft/types.js'
import type { GroupIdentity } from '../records/state-records.js'
import type { OpenFile } from '../journal/segment.js'
import { lastIndexOf } from '../log-bounds.js'
import { closedStorage, corrupt, GroupStorageError, isCorrupt } from '../storage-error.js'
import type { OpenedStorage, RestoredGroup, StorageProvider } from '../storage.js'
import { LmdbGroupStorage } from './group-storage.js'
import { becomeNewMember, freeNumber, newMembersOfAll, readIdentity } from './identities.js'
import { JournaledEnvironment } from './journaled-environment.js'
import { GroupKeys, identityKey } from './keys.js'
import { keepSoundPart } from './recovery.js'
import { NOTHING_STORED, readGroup, type ReadGroup, type StoredGroup } from './restore.js'

export interface LmdbStoragesOptions {
  /** Made when it is not there, for its owner only. Nothing else belongs in it. */
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  /** The one that the groups use: the chain of a log is checked when it is opened. */
  readonly hasher: ChainHasher
  /**
   * What to do when what is stored is not what was written. Default `refuse`: the group is not opened, and nothing is
   * changed. `become-new-member`: what is sound is kept, and the incarnation is a new one, so that the group takes this
   * for a member that has just joined, and gives it what is missing. When it is the journal, which is that of all groups,
   * so does every member that is stored here.
   */
  readonly onDamage?: 'refuse' | 'become-new-member'
  /** How long each of the two files of a journal that is made is, in bytes, whole blocks of 4 KiB. Default 4 MiB. */
  readonly segmentBytes?: number
  /**
   * Who writes to the journal. Default `when-quick`: the thread of the event loop itself writes a single small batch while
   * the disk is quick and the node has little else to do, which saves a lone writer a fifth of the time; should the disk
   * hang in such a write, the whole node hangs with it, once. `never`: always another thread, for disks on a network say.
   */
  readonly inlineWrites?: 'when-quick' | 'never'
  /** How the files of the journal are opened. Default: by the system. */
  readonly openFile?: OpenFile
}

interface Restoration {
  readonly identity: GroupIdentity
  readonly stored: StoredGroup
  readonly damagedFrom: Index | undefined
}

/**
 * The groups of a node in one LMDB environment behind one journal. A write ends when it is durable (fdatasync), and those
 * that wait at the same time share one.
 */
export class LmdbStorages implements StorageProvider {
  readonly #options: LmdbStoragesOptions
  readonly #environment: JournaledEnvironment
  /** Groups that have lost what was only in the journal, until they are opened. */
  readonly #deprived: Set<GroupId>
  readonly #opened = new Map<GroupId, LmdbGroupStorage>()
  /** Openings are one after the other: each may take the next number. */
  #lastOpening: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(
    options: LmdbStoragesOptions,
    environment: JournaledEnvironment,
    deprived: readonly GroupId[],
  ) {
    this.#options = options
    this.#environment = environment
    this.#deprived = new Set(deprived)
  }

  /**
   * Opens the folder, which nobody else may have open.
   *
   * @throws GroupStorageError `GROUP_STORAGE_IN_USE`, `GROUP_STORAGE_CORRUPT` (all groups are concerned),
   *   `GROUP_STORAGE_VERSION`, `GROUP_STORAGE_FULL`, `GROUP_STORAGE_FAILED`.
   */
  static async open(options: LmdbStoragesOptions): Promise<LmdbStorages> {
    const { onDamage = 'refuse', random } = options
    const environment = await JournaledEnvironment.open({
      ...options,
      onDamage: onDamage === 'refuse' ? 'refuse' : 'go-on',
    })
    try {
      if (!environment.damage) return new LmdbStorages(options, environment, [])
      const { groups, changes } = await newMembersOfAll(environment, random)
      await environment.goOnWithout(changes)
      return new LmdbStorages(options, environment, groups)
    } catch (error) {
      await environment.close()
      throw error
    }
  }

  open(group: GroupId): Promise<OpenedStorage> {
    const opening = this.#lastOpening.then(() => this.#open(group))
    this.#lastOpening = opening.catch(() => undefined)
    return opening
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await this.#lastOpening
    await Promise.all([...this.#opened.values()].map((storage) => storage.close()))
    await this.#environment.close()
  }

  async #open(group: GroupId): Promise<OpenedStorage> {
    if (this.#closing) throw closedStorage()
    if (this.#opened.has(group)) {
      throw new GroupStorageError('GROUP_STORAGE_IN_USE', `group ${group} is open already`)
    }
    const { identity, stored, damagedFrom } = await this.#restore(group)
    const storage = await LmdbGroupStorage.open(
      {
        environment: this.#environment,
        keys: new GroupKeys(identity.number),
        identity: { key: identityKey(group), number: identity.number },
        random: this.#options.random,
        onClosed: () => this.#opened.delete(group),
      },
      stored,
    )
    this.#opened.set(group, storage)
    return { storage, restored: restoredFrom(stored, identity, damagedFrom) }
  }

  async #restore(group: GroupId): Promise<Restoration> {
    const environment = this.#environment
    let identity
    try {
      identity = await readIdentity(environment, group)
    } catch (error) {
      this.#refuseUnlessRecovering(error)
      return { ...(await this.#beginMember(group)), damagedFrom: 1 }
    }
    if (!identity) {
      return { ...(await this.#beginMember(group)), damagedFrom: environment.hasBegunAnew ? 1 : undefined }
    }
    const keys = new GroupKeys(identity.number)
    const read = this.#asDeprived(group, await readGroup(environment, keys, this.#options.hasher))
    if (!read.damage) return { identity, stored: read, damagedFrom: undefined }
    const { error, from } = read.damage
    this.#refuseUnlessRecovering(error)
    // First, so that a process that ends in between has not let the old member forget anything.
    const { number, gaveWay } = identity
    const successor = await becomeNewMember(environment, group, { ...this.#options, number, gaveWay })
    return {
      identity: successor,
      stored: await keepSoundPart(environment, keys, read, from),
      damagedFrom: from,
    }
  }

  /** Adds that the end of the log is missing, or may be, if that is so. */
  #asDeprived(group: GroupId, read: ReadGroup): ReadGroup {
    if (!this.#deprived.delete(group) || read.damage) return read
    return {
      ...read,
      damage: {
        error: corrupt('the journal', 'what it had of this group is missing'),
        from: lastIndexOf(read) + 1,
      },
    }
  }

  async #beginMember(group: GroupId): Promise<{ identity: GroupIdentity; stored: StoredGroup }> {
    const environment = this.#environment
    const number = await freeNumber(environment)
    return {
      identity: await becomeNewMember(environment, group, { ...this.#options, number }),
      stored: NOTHING_STORED,
    }
  }

  #refuseUnlessRecovering(error: unknown): void {
    if (!isCorrupt(error) || this.#options.onDamage !== 'become-new-member') throw error
  }
}

function restoredFrom(
  { hardState, base, snapshot, entries }: StoredGroup,
  { incarnation, gaveWay }: GroupIdentity,
  damagedFrom: Index | undefined,
): RestoredGroup {
  return {
    hardState,
    base,
    entries,
    snapshot: snapshot?.facts,
    incarnation,
    isVolatile: false,
    damagedFrom,
    gaveWay,
  }
}

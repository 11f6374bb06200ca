import type { GroupId, Random } from '#framework/primitives'
import { newIncarnation } from '../incarnation.js'
import { identityRecord, type GroupIdentity } from '../records/state-records.js'
import type { RecordChange } from '../records/record-change.js'
import { isCorrupt } from '../storage-error.js'
import type { JournaledEnvironment } from './journaled-environment.js'
import { groupNumberOf, groupOf, GROUPS, IDENTITIES, identityKey } from './keys.js'

/**
 * Who the member of a group is that is stored here, and under which number its records are.
 *
 * @returns Undefined when nothing is stored of the group.
 * @throws GroupStorageError `GROUP_STORAGE_CORRUPT`.
 */
export async function readIdentity(
  environment: JournaledEnvironment,
  group: GroupId,
): Promise<GroupIdentity | undefined> {
  const key = identityKey(group)
  const record = await environment.get(key)
  return record && identityRecord.open(key, record)
}

/**
 * Makes this a new member: whatever it said before, somebody else has said. Durable when it resolves.
 *
 * @param options.gaveWay What the one before had given up, as far as that is known.
 */
export async function becomeNewMember(
  environment: JournaledEnvironment,
  group: GroupId,
  { number, gaveWay, random }: Pick<GroupIdentity, 'number' | 'gaveWay'> & { readonly random: Random },
): Promise<GroupIdentity> {
  const identity = { number, incarnation: newIncarnation(random), gaveWay }
  const key = identityKey(group)
  await environment.write([{ key, value: identityRecord.seal(key, identity) }])
  return identity
}

/** What makes a new member of every group that is stored, as {@link becomeNewMember} does of one. */
export async function newMembersOfAll(
  environment: JournaledEnvironment,
  random: Random,
): Promise<{ readonly groups: readonly GroupId[]; readonly changes: readonly RecordChange[] }> {
  const groups: GroupId[] = []
  const changes: RecordChange[] = []
  for await (const { key, identity } of allIdentities(environment)) {
    groups.push(groupOf(key))
    // That it is damaged is noticed when its group is opened.
    if (!identity) continue
    const successor = { ...identity, incarnation: newIncarnation(random) }
    changes.push({ key, value: identityRecord.seal(key, successor) })
  }
  return { groups, changes }
}

/** A number that no group has, and under which nothing is stored. */
export async function freeNumber(environment: JournaledEnvironment): Promise<number> {
  const last = await environment.lastKey(GROUPS)
  let highest = last ? groupNumberOf(last) : 0
  for await (const { identity } of allIdentities(environment)) {
    // The records of one that is damaged, if there are any, have been seen.
    if (identity) highest = Math.max(highest, identity.number)
  }
  return highest + 1
}

/** Those of all groups, undefined where it is damaged. */
async function* allIdentities(environment: JournaledEnvironment): AsyncGenerator<{
  readonly key: Uint8Array
  readonly identity: GroupIdentity | undefined
}> {
  for (const key of await environment.keys({ ...IDENTITIES, limit: Infinity })) {
    let identity
    try {
      identity = identityRecord.open(key, (await environment.get(key))!)
    } catch (error) {
      if (!isCorrupt(error)) throw error
    }
    yield { key, identity }
  }
}

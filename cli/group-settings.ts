// What a manifest says of groups, with the secrets that it refers to.
import { GroupKey } from '#framework/groups'
import { foundingBy, type GroupDeclaration, type GroupSettings } from '#framework/topology'
import type { Manifest } from '#manifests'
import { secretOf } from './manifest-secret.js'
import type { StartMessage } from './supervisor/messages.js'

/**
 * The settings of the groups of a node, by name.
 *
 * @param secret Of the network; undefined for an open one.
 * @throws MosaikError `GROUP_KEY_INVALID`, `GROUP_KEY_WEAK`, and as {@link secretOf}. None of them repeats a secret.
 */
export async function groupSettingsOf(
  { manifest: file, founders }: Pick<StartMessage, 'manifest' | 'founders'>,
  { network, groups = [] }: Pick<Manifest, 'network' | 'groups'>,
  secret: string | undefined,
): Promise<Readonly<Record<string, GroupSettings>>> {
  const settings: Record<string, GroupSettings> = {}
  for (const [name, replicas] of Object.entries(founders)) {
    const founding = foundingBy({ network, secret }, replicas)
    if (founding !== undefined) settings[name] = { founding }
  }
  for (const declaration of groups) {
    const { name, voters, storage, evictAfterMs } = declaration
    const key = await groupKeyOf(file, network, declaration)
    settings[name] = {
      ...settings[name],
      ...(key !== undefined && { key }),
      ...(voters !== undefined && { voters }),
      ...(storage !== undefined && { storage }),
      ...(evictAfterMs !== undefined && { evictAfterMs }),
    }
  }
  return settings
}

/** The key that a manifest gives a group; undefined when it gives none. The names are the salt of a passphrase. */
export async function groupKeyOf(
  manifest: string,
  network: string,
  { name, key, passphrase }: GroupDeclaration,
): Promise<GroupKey | undefined> {
  const hex = key && (await secretOf(manifest, key))
  if (hex !== undefined) return GroupKey.fromHex(hex)
  const text = passphrase && (await secretOf(manifest, passphrase))
  return text === undefined ? undefined : GroupKey.fromPassphrase(text, { salt: `${network}/${name}` })
}

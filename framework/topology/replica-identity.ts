import { hkdfSync } from 'node:crypto'
import { bytesOf, digestOf, encodeUtf8 } from '#framework/primitives'
import { Identity } from '#framework/network'
import { GroupKey } from '#framework/groups'
import type { ReplicaName } from './dataflow.js'

const keyBytes = 32

/** What members of a network have in common. */
export interface SharedByMembers {
  /** Name of the network. */
  readonly network: string
  /** Of a closed network; text counts as its UTF-8 bytes. */
  readonly secret?: string | Uint8Array | undefined
}

/**
 * The identity of a replica, which everybody who has the network's secret can tell without having met it: by which
 * members that have the same manifest have the same founders. They could also take it for their own; who has the secret is
 * trusted with that, as with everything else (docs/decisions/0019).
 */
export function replicaIdentity(
  shared: SharedByMembers & { readonly secret: string | Uint8Array },
  { node, replica }: ReplicaName,
): Identity {
  return Identity.fromSeed(expand(shared, `mosaik/replica/identity/1\0${node}\0${replica}`))
}

/**
 * The key of a group that has none of its own: of the network's secret and the group's name. In an open network that is
 * no secret.
 */
export function sharedGroupKey(shared: SharedByMembers, group: string): GroupKey {
  return GroupKey.fromBytes(expand(shared, `mosaik/group/shared-key/1\0${group}`))
}

/** HKDF with SHA-256 (RFC 5869): the network's id is the salt, and each use has a label of its own. */
function expand({ network, secret }: SharedByMembers, label: string): Uint8Array {
  const id = bytesOf(digestOf(network))
  const input = secret === undefined ? id : typeof secret === 'string' ? encodeUtf8(secret) : secret
  return new Uint8Array(hkdfSync('sha256', input, id, label, keyBytes))
}

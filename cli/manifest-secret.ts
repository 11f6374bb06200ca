import { dirname, resolve } from 'node:path'
import type { SecretReference } from '#framework/topology'
import { readSecret } from './secrets.js'

/**
 * The secret that a manifest refers to; undefined for an open network.
 *
 * @param manifest Path of the manifest, which the path of a file is relative to.
 * @throws MosaikError As {@link readSecret}.
 */
export async function secretOf(
  manifest: string,
  reference: SecretReference | undefined,
): Promise<string | undefined> {
  if (reference?.file === undefined) return readSecret(reference ?? {})
  return readSecret({ file: resolve(dirname(manifest), reference.file) })
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '#framework/primitives'
import {
  LmdbStorages,
  type LmdbStoragesOptions,
} from '../../../framework/groups/storage/lmdb/lmdb-storages.js'
import type { StoragePlace } from './compliance.js'
import { hasher } from './logs.js'

/** A folder of its own for storages, which goes with it. */
export class LmdbPlace implements StoragePlace {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  static async make(): Promise<LmdbPlace> {
    return new LmdbPlace(await mkdtemp(join(tmpdir(), 'group-storage-')))
  }

  open(options: Partial<LmdbStoragesOptions> = {}): Promise<LmdbStorages> {
    return LmdbStorages.open({ folder: this.folder, clock: systemClock, random: systemRandom, hasher, ...options })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, systemRandom } from '#framework/primitives'
import {
  LmdbStorages,
  type LmdbStoragesOptions,
} from '../../../framework/groups/storage/lmdb/lmdb-storages.js'
import type { StoragePlace } from './compliance.js'
import { hasher } from './logs.js'

/** What a folder of a storage has that lasts. */
const STORED_FILES = ['data.mdb', 'journal.0', 'journal.1'] as const

/** Short, so that tests see a journal go on in its other file. */
const SEGMENT_BYTES = 256 * 1024

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
    return LmdbStorages.open({
      folder: this.folder,
      clock: systemClock,
      random: systemRandom,
      hasher,
      segmentBytes: SEGMENT_BYTES,
      ...options,
    })
  }

  /** What another process would find if the one that has this open were killed now. Not while a checkpoint is taken. */
  async copy(): Promise<LmdbPlace> {
    const copy = await LmdbPlace.make()
    await copy.takeOver(this)
    return copy
  }

  /** Makes the files of this place, which nobody has open, what those of another are. */
  async takeOver(other: LmdbPlace): Promise<void> {
    for (const name of STORED_FILES) {
      await rm(join(this.folder, name), { force: true })
      if (existsSync(join(other.folder, name)))
        await copyFile(join(other.folder, name), join(this.folder, name))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

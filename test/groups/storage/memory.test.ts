import { seededRandom } from '#framework/primitives'
import { MemoryStorages } from '../../../framework/groups/storage/index.js'
import { describeStorage } from './compliance.js'

describeStorage('memory', {
  isVolatile: true,
  newPlace: async () => {
    const random = seededRandom('memory')
    return {
      open: async () => new MemoryStorages({ random }),
      [Symbol.asyncDispose]: async () => undefined,
    }
  },
})

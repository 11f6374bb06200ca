import { describeStorage } from './compliance.js'
import { LmdbPlace } from './lmdb-place.js'

describeStorage('lmdb', { isVolatile: false, newPlace: () => LmdbPlace.make() })

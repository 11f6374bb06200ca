import type { HandedOut, WatchedMember } from '../group/watched-member.js'
import { ViolationError, type Invariant } from './invariant.js'

/** The chain hashes, which members compare themselves, agree: among honest members with whole disks they always do. */
export class NoDivergence implements Invariant {
  readonly name = 'no divergence'

  handedOut({ id }: WatchedMember, { incidents }: HandedOut): void {
    for (const incident of incidents) {
      if (incident.type === 'diverged') {
        throw new ViolationError(this.name, `${id} stops at index ${incident.index}: ${incident.reason}`)
      }
      if (incident.type === 'corrupt-append') {
        throw new ViolationError(
          this.name,
          `${id} gets an entry ${incident.index} that is not what its hash says`,
        )
      }
    }
  }
}

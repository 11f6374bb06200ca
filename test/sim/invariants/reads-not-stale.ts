import type { AnsweredRead, WatchedMember } from '../group/watched-member.js'
import { ViolationError, type Invariant } from './invariant.js'

/** A read sees every write that some client knew to be done when the reader asked. */
export class ReadsNotStale implements Invariant {
  readonly name = 'reads not stale'

  answeredRead(
    { id, appliedIndex }: Pick<WatchedMember, 'id' | 'appliedIndex'>,
    request: AnsweredRead,
  ): void {
    if (appliedIndex >= request.knownIndex) return
    throw new ViolationError(
      this.name,
      `${id} answers a ${request.consistency} read of client ${request.client} from index ${appliedIndex}, ` +
        `and index ${request.knownIndex} was done before it was asked for`,
    )
  }
}

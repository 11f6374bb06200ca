import type { HeldAnswers } from './held-answers.js'
import type { MemberState } from './member-state.js'
import type { Outbox } from './outbox.js'
import type { OwnMembership } from './own-membership.js'
import type { Replica } from './replica.js'
import type { Settings } from './settings.js'
import type { MemberId, Term } from './types.js'

/** What the parts of a core have in common, and the step that each of them may bring about. */
export interface CoreParts {
  readonly settings: Settings
  readonly replica: Replica
  readonly state: MemberState
  readonly membership: OwnMembership
  readonly answers: HeldAnswers
  readonly outbox: Outbox
  readonly becomeFollower: (term: Term, leader: MemberId | undefined) => void
}

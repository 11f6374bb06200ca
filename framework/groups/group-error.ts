import { MosaikError, type MosaikErrorOptions } from '#framework/primitives'

/**
 * - `GROUP_BUSY`: too much is under way; nothing was submitted, and later there may be room;
 * - `GROUP_NOT_SUBMITTED`: there was nobody to submit to before the deadline: none of it will happen;
 * - `GROUP_OUTCOME_UNKNOWN`: it was submitted, and whether it has happened or will is not known. Retrying it as a new
 *   command may have it happen twice;
 * - `GROUP_COMMAND_INVALID`: it is not what the machine's codec takes, or is too large; the cause says why;
 * - `GROUP_NO_COMMANDS`: an empty batch;
 * - `GROUP_REFUSED`: this node may not do that, as a reader for instance;
 * - `GROUP_TERMINATED`: this node is not in the group any more, because it left or failed; the cause says why.
 */
export type GroupErrorCode =
  | 'GROUP_BUSY'
  | 'GROUP_NOT_SUBMITTED'
  | 'GROUP_OUTCOME_UNKNOWN'
  | 'GROUP_COMMAND_INVALID'
  | 'GROUP_NO_COMMANDS'
  | 'GROUP_REFUSED'
  | 'GROUP_TERMINATED'

/** Commands, or a query, were not carried out, or it is not known whether they were. They are handed back. */
export class GroupError<T = unknown> extends MosaikError {
  declare readonly code: GroupErrorCode
  /** The commands, or the one query, exactly as they were given. */
  readonly given: readonly T[]

  constructor(code: GroupErrorCode, message: string, given: readonly T[], options?: MosaikErrorOptions) {
    super(code, message, options)
    this.given = given
  }
}

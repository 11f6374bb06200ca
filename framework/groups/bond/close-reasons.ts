import { LinkClosedError, describeCloseReason, CloseReasons, type CloseReason } from '#framework/network'
import { MosaikError, isMosaikError } from '#framework/primitives'

function reason(code: number, name: string): CloseReason {
  return Object.freeze({ code, name })
}

/** Why bonds end or do not come about (besides the reasons that all links have). */
export const BondCloseReasons = Object.freeze({
  /** A message of the handshake is not as it should be, or of a version that is not spoken here. */
  InvalidHandshake: reason(30400, 'InvalidHandshake'),
  /** The peer does not show the tickets that the group demands, or not any more. */
  NotAllowed: reason(30403, 'NotAllowed'),
  /** This node is not in the group. */
  GroupNotFound: reason(30404, 'GroupNotFound'),
  /** The other side does not have the key of the group. */
  InvalidProof: reason(30405, 'InvalidProof'),
  /** The handshake took too long, or the bond was silent for too long. */
  Timeout: reason(30408, 'Timeout'),
  /** There is another bond with the peer, or one is being made. */
  AlreadyBonded: reason(30429, 'AlreadyBonded'),
  /** This node has as many bonds in the group as it may. */
  NoCapacity: reason(30509, 'NoCapacity'),
})

/** This side does not want a bond, or not any more. Code `BOND_REFUSED`. */
export class BondRefusedError extends MosaikError {
  readonly reason: CloseReason

  constructor(refusal: CloseReason) {
    super('BOND_REFUSED', `no bond: ${describeCloseReason(refusal)}`, { details: { reason: refusal } })
    this.reason = refusal
  }
}

/** What a handshake has failed of, as the other side is told or has told us. */
export function failureReason(error: unknown): CloseReason {
  if (error instanceof BondRefusedError || error instanceof LinkClosedError) return error.reason
  if (isMosaikError(error, 'TIMEOUT')) return BondCloseReasons.Timeout
  return CloseReasons.UnexpectedClose
}

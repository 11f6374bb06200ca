import type { Bond } from '../bond/bond.js'
import type { Member } from '../member/member.js'
import type { Index } from '../raft/index.js'
import {
  encodeForward,
  type ForwardMessage,
  type ForwardRefusal,
  type ForwardRequest,
} from '../wire/forward-wire.js'
import type { HeldAppends } from './held-appends.js'
import type { Confirmation } from './shared-reads.js'
import { proposeAll } from './submitter.js'

export interface LeaderRequestsOptions {
  /** Undefined when there is none, or none that others should rely on. */
  readonly member: () => Member | undefined
  /** Resolves when this member, which leads, may answer. */
  readonly read: (member: Member, consistency: Confirmation) => Promise<Index>
  readonly heldAppends: Pick<HeldAppends<Bond>, 'onSubmitted' | 'release'>
}

/** What other nodes ask of this one, because they take it for the leader, or for a voter. */
export class LeaderRequests {
  readonly #options: LeaderRequestsOptions

  constructor(options: LeaderRequestsOptions) {
    this.#options = options
  }

  onRequest(bond: Bond, request: ForwardRequest): void {
    const { id } = request
    const answer = (message: ForwardMessage): void => send(bond, message)
    const refuse = (reason: ForwardRefusal): void => answer({ type: 'refused', id, reason })
    const { heldAppends } = this.#options
    const member = this.#options.member()
    if (member === undefined) return refuse('not-leader')
    switch (request.type) {
      case 'submit': {
        // W-S14: who only reads writes nothing.
        if (bond.role === 'reader') return refuse('refused')
        const places = proposeAll(member, request.opening, request.submissions)
        if (typeof places === 'string') return refuse(places)
        heldAppends.onSubmitted(bond, places.lastIndex)
        if (request.isQuiet) return
        const { term, firstIndices } = places
        return answer({ type: 'appended', id, term, firstIndices })
      }
      case 'read':
        return this.#read(bond, member, id, request.consistency)
      case 'read-index': {
        const readIndex = member.readIndex(request.clusterId, request.voters)
        if (readIndex === undefined) return this.#read(bond, member, id, 'strong')
        heldAppends.release(bond)
        return answer({ type: 'unconfirmed', id, ...readIndex })
      }
      case 'term': {
        const term = member.termIn(request.clusterId)
        return term === undefined ? refuse('refused') : answer({ type: 'in-term', id, term })
      }
      case 'transfer': {
        const outcome = member.transferLeadership(request.to)
        if (!outcome.accepted) return refuse(outcome.reason === 'not-leader' ? 'not-leader' : 'refused')
        return answer({ type: 'transferring', id })
      }
    }
  }

  #read(bond: Bond, member: Member, id: number, consistency: Confirmation): void {
    this.#options.read(member, consistency).then(
      (index) => {
        // It answers from its own state, as soon as that has all that is committed.
        this.#options.heldAppends.release(bond)
        send(bond, { type: 'readable', id, index })
      },
      () => send(bond, { type: 'refused', id, reason: 'not-leader' }),
    )
  }
}

function send(bond: Bond, message: ForwardMessage): void {
  bond.send('forward', encodeForward(message))
}

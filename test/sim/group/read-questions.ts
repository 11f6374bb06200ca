import type { CoreFaults } from '../../../framework/groups/raft/faults.js'
import type { RaftCore } from '../../../framework/groups/raft/raft-core.js'
import { ReadConfirmation, votersDigest } from '../../../framework/groups/raft/read-confirmation.js'
import type { ClusterId, Index, MemberId } from '../../../framework/groups/raft/types.js'
import type { ClientRequest, ReadAnswer, ReadQuestion } from './messages.js'

/** More than clients have open at a time: the oldest are given up. */
const openMax = 64

interface OpenQuestion {
  readonly request: ClientRequest
  readonly clusterId: ClusterId
  readonly leader: MemberId
  readonly confirmation: ReadConfirmation
}

export interface ReadQuestionsOptions {
  readonly core: RaftCore
  readonly faults: CoreFaults
  readonly send: (to: MemberId, message: ReadQuestion | ReadAnswer) => void
  /** It may be answered when this is applied. */
  readonly onConfirmed: (request: ClientRequest, index: Index) => void
  readonly onRefused: (request: ClientRequest, leader: MemberId | undefined) => void
}

/**
 * Strong reads at a member that does not lead, which it has confirmed itself, as in production; but nothing is asked again:
 * clients do that.
 */
export class ReadQuestions {
  readonly #options: ReadQuestionsOptions
  readonly #open = new Map<string, OpenQuestion>()

  constructor(options: ReadQuestionsOptions) {
    this.#options = options
  }

  /** @returns False when nobody can be asked. */
  ask(request: ClientRequest): boolean {
    const { core, faults, send } = this.#options
    const { id: asker, clusterId, configuration } = core
    const { leader } = core.status
    if (leader === undefined || leader === asker || clusterId === undefined) return false
    const confirmation = new ReadConfirmation({ configuration, leader, asker, faults })
    // What was answered to a process before this one still came after the read was asked for.
    const key = `${request.client}.${request.sequence}.${request.attempt}`
    this.#open.delete(key)
    this.#open.set(key, { request, clusterId, leader, confirmation })
    if (this.#open.size > openMax) this.#open.delete(this.#open.keys().next().value!)
    send(leader, {
      kind: 'read-index-question',
      key,
      asker,
      to: leader,
      clusterId,
      voters: votersDigest(configuration),
    })
    for (const to of confirmation.others) send(to, { kind: 'term-question', key, asker, to, clusterId })
    return true
  }

  receive(message: ReadQuestion | ReadAnswer): void {
    const { core, send } = this.#options
    const from = core.id
    switch (message.kind) {
      case 'read-index-question': {
        const { key, to, asker, clusterId, voters } = message
        if (to !== from) return
        send(asker, {
          kind: 'read-index-answer',
          key,
          from,
          clusterId,
          readIndex: core.readIndex(clusterId, voters),
        })
        return
      }
      case 'term-question': {
        const { key, to, asker, clusterId } = message
        if (to === from)
          send(asker, { kind: 'term-answer', key, from, clusterId, term: core.termIn(clusterId) })
        return
      }
      default:
        this.#onAnswer(message)
    }
  }

  #onAnswer(answer: ReadAnswer): void {
    const { key, from, clusterId } = answer
    const open = this.#open.get(key)
    const ownTerm = this.#options.core.termIn(clusterId)
    if (open === undefined || open.clusterId !== clusterId) return
    const { request, leader, confirmation } = open
    if (ownTerm === undefined) return this.#refuse(key, request)
    if (answer.kind === 'term-answer') {
      if (answer.term === undefined) return this.#refuse(key, request)
      confirmation.onTerm(from, answer.term)
    } else {
      if (from !== leader) return
      if (answer.readIndex === undefined) return this.#refuse(key, request)
      confirmation.onReadIndex(answer.readIndex, ownTerm)
    }
    const { verdict, readIndex } = confirmation
    if (verdict === 'refuted') return this.#refuse(key, request)
    if (verdict === 'pending') return
    this.#open.delete(key)
    this.#options.onConfirmed(request, readIndex!.index)
  }

  #refuse(key: string, request: ClientRequest): void {
    this.#open.delete(key)
    this.#options.onRefused(request, this.#options.core.status.leader)
  }
}

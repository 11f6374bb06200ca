import { isMosaikError } from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import type { Dispatch, SubmissionPipeline } from '../client/submission-pipeline.js'
import { encodeSessionOpening, encodeSubmission } from '../machine/submission.js'
import type { AppliedSubmission, ReplicatedMachine } from '../machine/replicated-machine.js'
import type { Member } from '../member/member.js'
import type { Index, Proposal, Term } from '../raft/index.js'
import type { SubmitRequest } from '../wire/forward-wire.js'
import type { Forwarding } from './forwarding.js'
import { tickMs } from './ticker.js'

/** How long nothing may come of what was submitted before it is submitted again, in ticks: two seconds. */
const patienceTicks = 2_000 / tickMs

/** Who leads, as far as this node knows. */
export interface LeaderFacts {
  readonly term: Term
  /** Undefined when it is this node itself. */
  readonly bond: Bond | undefined
}

export interface SubmitterOptions<R> {
  readonly forwarding: Forwarding
  readonly member: () => Member | undefined
  readonly machine: ReplicatedMachine<unknown, R>
  readonly signal: AbortSignal
}

interface PipelineState {
  /** Since anything last came of what was submitted, while something is. */
  quietTicks: number
  /** In the order of what they submit, each of which is in one of them at most. */
  readonly told: Told[]
}

/** A request that is answered only when it is refused. */
interface Told {
  readonly lastSequence: number
  readonly forget: () => void
}

/** Brings what the handles of a node submit to whoever leads, again and again until it is known what has become of it. */
export class Submitter<R> {
  readonly #options: SubmitterOptions<R>
  readonly #pipelines = new Map<SubmissionPipeline<R>, PipelineState>()
  #leader: LeaderFacts | undefined
  #isDispatchDue = false

  constructor(options: SubmitterOptions<R>) {
    this.#options = options
  }

  add(pipeline: SubmissionPipeline<R>): void {
    this.#pipelines.set(pipeline, { quietTicks: 0, told: [] })
    pipeline.onLeader(this.#epoch)
  }

  delete(pipeline: SubmissionPipeline<R>): void {
    forget(this.#pipelines.get(pipeline)?.told ?? [])
    this.#pipelines.delete(pipeline)
  }

  onLeader(leader: LeaderFacts | undefined): void {
    this.#leader = leader
    for (const pipeline of this.#pipelines.keys()) pipeline.onLeader(this.#epoch)
    this.dispatchSoon()
  }

  onApplied(applied: AppliedSubmission<R>): void {
    for (const [pipeline, state] of this.#pipelines) {
      if (pipeline.session !== applied.session) continue
      state.quietTicks = 0
      forget(state.told, applied.sequence)
      pipeline.onApplied(applied)
      if (!pipeline.isIdle) this.dispatchSoon()
    }
  }

  /** The machine was put to another state as a whole. */
  onRestored(): void {
    const { machine } = this.#options
    for (const [pipeline, { told }] of this.#pipelines) {
      const { session } = pipeline
      forget(told)
      pipeline.onRestored(machine.lastSequenceOf(session), (sequence) => machine.outcomeOf(session, sequence))
    }
    this.dispatchSoon()
  }

  /** Whether nothing of what was submitted is open. */
  get isIdle(): boolean {
    for (const pipeline of this.#pipelines.keys()) if (!pipeline.isIdle) return false
    return true
  }

  onTick(ticks: number): void {
    let isIdle = true
    for (const [pipeline, state] of this.#pipelines) {
      if (pipeline.isIdle) {
        state.quietTicks = 0
        continue
      }
      isIdle = false
      state.quietTicks += ticks
      if (state.quietTicks < patienceTicks) continue
      state.quietTicks = 0
      pipeline.resubmit()
    }
    if (!isIdle) this.#dispatchAll()
  }

  /** What is submitted in one turn goes together. */
  dispatchSoon(): void {
    if (this.#isDispatchDue) return
    this.#isDispatchDue = true
    queueMicrotask(() => {
      this.#isDispatchDue = false
      this.#dispatchAll()
    })
  }

  get #epoch(): string | undefined {
    const leader = this.#leader
    return leader && `${leader.term} ${leader.bond?.id ?? 'self'}`
  }

  #dispatchAll(): void {
    if (this.#options.signal.aborted) return
    for (const [pipeline, { told }] of this.#pipelines) {
      for (let dispatch = pipeline.take(); dispatch !== undefined; dispatch = pipeline.take()) {
        if (!this.#dispatch(pipeline, told, dispatch)) break
      }
    }
  }

  /** @returns Whether there may be room for more. */
  #dispatch(
    pipeline: SubmissionPipeline<R>,
    told: Told[],
    { opening, submissions, wantsPlaces }: Dispatch,
  ): boolean {
    const leader = this.#leader
    if (leader === undefined) return false
    const openingPayload = opening === undefined ? undefined : encodeSessionOpening(opening)
    const proposals = submissions.map((submission) => ({
      payload: encodeSubmission(submission),
      commandCount: submission.commands.length,
    }))
    const sequences = submissions.map(({ sequence }) => sequence)
    if (leader.bond === undefined) {
      const places = proposeAll(this.#options.member(), openingPayload, proposals)
      // At the next tick there may be room, or another leader.
      if (typeof places === 'string') pipeline.resubmit()
      else this.#onAppended(pipeline, sequences, places.firstIndices, places.term)
      return typeof places !== 'string'
    }
    const request = {
      type: 'submit',
      ...(openingPayload && { opening: openingPayload }),
      submissions: proposals,
    } as const
    if (!wantsPlaces) return this.#tell(pipeline, told, leader.bond, sequences, request)
    void this.#forward(pipeline, leader.bond, sequences, { ...request, isQuiet: false })
    return true
  }

  /** @returns Whether it is on its way. */
  #tell(
    pipeline: SubmissionPipeline<R>,
    told: Told[],
    bond: Bond,
    sequences: readonly number[],
    request: Omit<SubmitRequest, 'id' | 'isQuiet'>,
  ): boolean {
    // What is submitted again is asked for by this request alone.
    while (told.length > 0 && told.at(-1)!.lastSequence >= sequences[0]!) told.pop()!.forget()
    const { forwarding } = this.#options
    try {
      const forget = forwarding.tell(bond, { ...request, isQuiet: true }, () => pipeline.resubmit())
      told.push({ lastSequence: sequences.at(-1)!, forget })
      return true
    } catch (error) {
      if (!isMosaikError(error)) throw error
      pipeline.resubmit()
      return false
    }
  }

  async #forward(
    pipeline: SubmissionPipeline<R>,
    bond: Bond,
    sequences: readonly number[],
    request: Parameters<Forwarding['ask']>[1],
  ): Promise<void> {
    const { forwarding, signal } = this.#options
    try {
      const answer = await forwarding.ask(bond, request, signal)
      if (answer.type === 'appended') this.#onAppended(pipeline, sequences, answer.firstIndices, answer.term)
    } catch (error) {
      if (signal.aborted) return
      // Not appended, or nobody knows: it is submitted again, and applied once. Soon if the leader is another one, which
      // is told; otherwise at the next tick.
      if (isMosaikError(error)) pipeline.resubmit()
      else throw error
    }
  }

  #onAppended(
    pipeline: SubmissionPipeline<R>,
    sequences: readonly number[],
    firstIndices: readonly number[],
    term: Term,
  ): void {
    sequences.forEach((sequence, place) => {
      const firstIndex = firstIndices[place]
      if (firstIndex !== undefined) pipeline.onAppended(sequence, firstIndex, term)
    })
  }
}

/** @param upTo The last sequence of which it is known what has come of it. Default: all are of no interest any more. */
function forget(told: Told[], upTo = Infinity): void {
  while (told.length > 0 && told[0]!.lastSequence <= upTo) told.shift()!.forget()
}

/** Where submissions are in the log of the leader. */
export interface Places {
  /** The application index of the first command of each. */
  readonly firstIndices: readonly number[]
  readonly term: Term
  /** The index of the last entry. */
  readonly lastIndex: Index
}

/**
 * Appends submissions at the leader.
 *
 * @returns Where they are; or why nothing was appended.
 */
export function proposeAll(
  member: Member | undefined,
  opening: Uint8Array | undefined,
  submissions: readonly { readonly payload: Uint8Array; readonly commandCount: number }[],
): Places | 'not-leader' | 'busy' | 'refused' {
  if (member === undefined || member.isOver) return 'not-leader'
  const proposals: Proposal[] = submissions.map(({ payload, commandCount }) => ({ payload, commandCount }))
  if (opening !== undefined) proposals.unshift({ kind: 'session', payload: opening })
  const outcome = member.propose(proposals)
  if (!outcome.accepted) {
    if (outcome.reason === 'not-leader') return 'not-leader'
    return outcome.reason === 'too-large' ? 'refused' : 'busy'
  }
  let index = outcome.firstApplicationIndex
  const firstIndices = submissions.map(({ commandCount }) => {
    const firstIndex = index
    index += commandCount
    return firstIndex
  })
  return { firstIndices, term: outcome.term, lastIndex: outcome.lastIndex }
}

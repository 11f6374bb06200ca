import type { Clock, PeerId } from '#framework/primitives'
import type { Bond } from '../bond/bond.js'
import type { Mesh } from '../bond/mesh.js'
import type { Member } from '../member/member.js'
import type { Index } from '../raft/index.js'
import { peerIdOf } from '../raft/member-id.js'
import { ForwardError, type Forwarding } from './forwarding.js'
import type { ReadAsker } from './read-asker.js'
import { SharedReads, type Confirmation } from './shared-reads.js'
import type { Ticker } from './ticker.js'

/** How long a leader may take to confirm a read before it is asked again, in milliseconds. */
const readPatienceMs = 2_000

export interface LeaderAccessOptions {
  readonly mesh: Mesh
  /** Undefined while there is none. */
  readonly member: () => Member | undefined
  /** Nobody is asked for a cluster that is given up. */
  readonly isGivingWay: () => boolean
  readonly forwarding: Pick<Forwarding, 'ask'>
  readonly asker: Pick<ReadAsker, 'confirm'>
  readonly ticker: Pick<Ticker, 'catchUp'>
  readonly clock: Clock
  /** Aborts when the group is over on this node. */
  readonly signal: AbortSignal
}

/** What a node asks of the leader, wherever that is: leave to read, and to hand over. */
export class LeaderAccess {
  readonly #options: LeaderAccessOptions
  readonly #reads = new SharedReads((consistency) => this.#confirm(consistency))

  constructor(options: LeaderAccessOptions) {
    this.#options = options
  }

  /** The way to the leader, if one is known and in reach. */
  get leader(): Bond | 'self' | undefined {
    const { mesh, isGivingWay } = this.#options
    const member = this.#options.member()
    const leader = member?.status.leader
    if (member === undefined || leader === undefined || isGivingWay()) return undefined
    if (leader === member.id) return 'self'
    const bond = mesh.get(peerIdOf(leader))
    return bond?.member === leader ? bond : undefined
  }

  /**
   * Resolves when this node may answer from its own state, or rejects, after two seconds at the latest.
   *
   * @throws ForwardError or ReadRefusedError when nobody leads, or whoever does gave no leave: it may be asked again.
   * @throws TimeoutError when the leader took too long; why there is no member.
   */
  readable(consistency: Confirmation): Promise<void> {
    return this.#reads.confirmed(consistency)
  }

  /** Asks a member that leads for leave to read. @throws as {@link Member.read}. */
  read(leading: Pick<Member, 'read'>, consistency: Confirmation, signal: AbortSignal): Promise<Index> {
    // When this process was held up, what has arrived may come before the timer that says how much time is gone: and with
    // that, maybe, the lease.
    if (consistency === 'lease') this.#options.ticker.catchUp()
    return leading.read(consistency, signal)
  }

  /** Asks the leader to hand over. @throws as {@link readable}. */
  async transfer(to: PeerId, signal: AbortSignal): Promise<void> {
    const member = this.#requireMember()
    const target = member.configuration.voters.find((voter) => peerIdOf(voter) === to)
    const { leader } = this
    if (target === undefined) throw new ForwardError('refused')
    if (leader === undefined) throw new ForwardError('not-leader')
    if (leader !== 'self') {
      await this.#options.forwarding.ask(leader, { type: 'transfer', to: target }, signal)
    } else if (target !== member.id && !member.transferLeadership(target).accepted) {
      throw new ForwardError('refused')
    }
  }

  async #confirm(consistency: Confirmation): Promise<void> {
    const { clock, signal, asker } = this.#options
    const member = this.#requireMember()
    const { leader } = this
    if (leader === undefined) throw new ForwardError('not-leader')
    using patience = clock.deadline(readPatienceMs, signal)
    if (leader === 'self') {
      await this.read(member, consistency, patience.signal)
      return
    }
    const index = await asker.confirm(member, leader, consistency, patience.signal)
    await member.applied(index, patience.signal)
  }

  #requireMember(): Member {
    const member = this.#options.member()
    if (member === undefined) throw new ForwardError('not-leader')
    return member
  }
}

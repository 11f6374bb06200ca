import type { Configuration, MemberId } from '../../../framework/groups/raft/types.js'
import { hostOf, type SimMember } from '../group/member.js'
import type { DriverBugs } from '../group/driver-bugs.js'
import type { SimHost } from './host.js'

/**
 * Brings the configuration, one step at a time, to where it is to be: one voter on every wanted host, by the name that the
 * member there has now. Asks whoever takes itself for the leader, as the policies of production do from within.
 */
export class Operator {
  readonly #hosts: readonly SimHost[]
  readonly #wanted: Set<number>
  readonly #bugs: DriverBugs

  /** @param wanted Numbers of hosts. */
  constructor(hosts: readonly SimHost[], wanted: Iterable<number>, bugs: DriverBugs) {
    this.#hosts = hosts
    this.#bugs = bugs
    this.#wanted = new Set(wanted)
  }

  /** Wants a host that is not wanted, or no longer wants one that is; but always somebody. */
  toggle(host: number): void {
    if (!this.#wanted.delete(host)) this.#wanted.add(host)
    if (this.#wanted.size === 0) this.#wanted.add(host)
  }

  /** Does the next step at every leader. */
  act(): void {
    for (const host of this.#hosts) {
      host.use((member) => {
        if (member.core.status.role !== 'leader') return
        const next = this.#nextStep(member)
        if (next) member.proposeConfiguration(next)
      })
    }
  }

  #nextStep({ core }: SimMember): Configuration | undefined {
    const { voters, learners } = core.configuration
    const wanted = this.#hosts.filter(({ number }) => this.#wanted.has(number)).map(({ id }) => id)
    if (this.#bugs.reconfiguresAtOnce) {
      return wanted.toSorted().join() === voters.join() ? undefined : configurationOf(wanted, [])
    }
    const missing = wanted.filter((id) => !voters.includes(id) && !learners.includes(id))
    const unwanted = learners.filter((id) => !wanted.includes(id))
    if (missing.length > 0 || unwanted.length > 0) {
      return configurationOf(voters, [...learners.filter((id) => wanted.includes(id)), ...missing])
    }
    const ready = core.progress.find(
      ({ member, role, caughtUpRounds }) =>
        role === 'learner' && caughtUpRounds >= 2 && wanted.includes(member),
    )
    if (ready) {
      const others = learners.filter((id) => id !== ready.member)
      return configurationOf([...voters, ready.member], others)
    }
    // Those that are gone for good first, then hosts that are to leave; this member last of all.
    const leaving = voters.filter((id) => !wanted.includes(id))
    const gone = leaving.find((id) => this.#hosts[hostOf(id)]!.id !== id)
    const next = gone ?? leaving.find((id) => id !== core.id) ?? leaving[0]
    if (next === undefined || voters.length === 1) return undefined
    return configurationOf(
      voters.filter((id) => id !== next),
      learners,
    )
  }
}

/** In the order in which configurations list their members. */
export function configurationOf(voters: readonly MemberId[], learners: readonly MemberId[]): Configuration {
  return { voters: voters.toSorted(), learners: learners.toSorted() }
}

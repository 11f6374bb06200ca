import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { seededRandom, type Random } from '#framework/primitives'
import { configurationOf, type Entry, type MemberId, type RaftCore } from '#framework/groups/raft'
import { Cluster } from './cluster.js'

const NAMES = ['a', 'b', 'c', 'd', 'e']

/** What must hold at every moment, whatever happens (Raft, figure 3). */
class Safety {
  readonly #leaders = new Map<number, string>()
  readonly #applied: Entry[] = []
  readonly #committed = new Map<string, number>()

  check(cluster: Cluster): void {
    for (const [name, member] of cluster.members) {
      const { role, term, commitIndex } = member.core.status
      const fault = member.incidents.find(({ type }) => type === 'diverged' || type === 'corrupt-append')
      if (fault) throw new Error(`${name}: ${JSON.stringify(fault)}`)
      if (role === 'leader' && (this.#leaders.get(term) ?? name) !== name)
        throw new Error(`${name} and ${this.#leaders.get(term)} both lead in term ${term}`)
      if (role === 'leader') this.#leaders.set(term, name)
      if (commitIndex < (this.#committed.get(name) ?? 0))
        throw new Error(`${name} takes back what is committed`)
      this.#committed.set(name, commitIndex)
      for (const entry of member.applied.splice(0)) {
        const known = (this.#applied[entry.index] ??= entry)
        if (entry.hash !== known.hash) throw new Error(`${name} applies another entry ${entry.index}`)
      }
    }
  }

  onRestart(name: string): void {
    this.#committed.delete(name)
  }
}

function someMember(cluster: Cluster, random: Random): { name: string; core: RaftCore } {
  const names = [...cluster.members.keys()]
  const name = names[random.int(names.length)]!
  return { name, core: cluster.core(name) }
}

/** One thing that can happen, chosen by the seed. */
function disturb(cluster: Cluster, safety: Safety, random: Random, step: number): void {
  const { name, core } = someMember(cluster, random)
  const roll = random.float()
  if (roll < 0.45) {
    cluster.collect()
    if (cluster.wire.length > 0) {
      const at = random.int(cluster.wire.length)
      const message = cluster.wire[at]!
      const fate = random.float()
      if (fate > 0.1) cluster.wire.splice(at, 1)
      if (fate < 0.9 && !cluster.drops(message)) cluster.members.get(message.to)?.core.step(message)
    }
  } else if (roll < 0.75) {
    core.tick(1 + random.int(5))
  } else if (roll < 0.85) {
    core.propose([{ payload: Buffer.from(`${step}`) }], step)
  } else if (roll < 0.88) {
    cluster.get(name).isDiskHeld = !cluster.get(name).isDiskHeld
    if (!cluster.get(name).isDiskHeld) cluster.get(name).flushDisk()
  } else if (roll < 0.9) {
    cluster.get(name).restart()
    safety.onRestart(name)
  } else if (roll < 0.92) {
    const side = [...cluster.members.keys()].filter(() => random.float() < 0.5)
    if (random.float() < 0.5) cluster.partition(side)
    else cluster.heal()
  } else if (roll < 0.94) {
    core.transferLeadership(someMember(cluster, random).name as MemberId)
  } else if (roll < 0.97) {
    const { voters } = core.configuration
    const other = NAMES[random.int(NAMES.length)] as MemberId
    const next = voters.includes(other) ? voters.filter((voter) => voter !== other) : [...voters, other]
    core.proposeConfiguration(configurationOf(next), step)
  } else {
    core.compact(core.status.appliedIndex)
  }
  cluster.collect()
  // What has waited for so long is lost.
  cluster.wire.splice(0, Math.max(0, cluster.wire.length - 100))
}

test('given any schedule of losses, repetitions, disorder, crashes and changes, then the safety properties hold, and when it ends the members agree', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      const random = seededRandom(seed)
      const cluster = Cluster.founded(NAMES.slice(0, 3), {
        seed,
        core: { limits: { tailEntriesMax: 1_000, appendEntriesMax: 3, inFlightMessagesMax: 2 } },
      })
      for (const name of NAMES.slice(3)) cluster.start(name)
      const safety = new Safety()
      for (let step = 0; step < 2_000; step++) {
        disturb(cluster, safety, random, step)
        safety.check(cluster)
      }
      cluster.heal()
      for (const member of cluster.members.values()) {
        member.isDiskHeld = false
        member.flushDisk()
      }
      cluster.tick(400)
      safety.check(cluster)
      const leader = cluster.leader!
      expect(cluster.propose(leader, 'at last').accepted).toBe(true)
      for (const voter of cluster.core(leader).configuration.voters)
        expect(cluster.core(voter).status.commitIndex).toBe(cluster.core(leader).status.lastIndex)
    }),
    { numRuns: Number(process.env.RAFT_SCHEDULES ?? 12), examples: [[1564165165], [1445091960]] },
  )
})

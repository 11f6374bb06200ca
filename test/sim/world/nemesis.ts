import type { Random } from '#framework/primitives'
import type { CrashLoss } from '../environment/disk.js'
import type { SimNetwork } from '../environment/network.js'
import type { Timeline } from '../environment/timeline.js'
import { hostOf } from '../group/member.js'
import type { SimMessage } from '../group/messages.js'
import type { SimHost } from './host.js'
import type { Operator } from './operator.js'
import type { FaultKind, WorldPlan } from './plan.js'

/** What the nemesis works on. */
export interface NemesisSurroundings {
  readonly plan: WorldPlan
  readonly timeline: Timeline
  readonly random: Random
  readonly hosts: readonly SimHost[]
  /** Clients have addresses in the network too. */
  readonly clients: readonly number[]
  readonly network: SimNetwork<SimMessage>
  readonly operator: Operator
  readonly trace: (what: string) => void
}

/** Clock jumps reach this far to either side: an hour. */
const JUMP_MS_MAX = 3_600_000

/** Lets things go wrong, each kind by itself and at random times, until the plan says that they heal. */
export class Nemesis {
  readonly #surroundings: NemesisSurroundings
  /** Ends what lasts, when it is healed before its time. */
  readonly #lasting = new Set<() => void>()

  constructor(surroundings: NemesisSurroundings) {
    this.#surroundings = surroundings
    for (const kind of surroundings.plan.faults.keys()) this.#planNext(kind)
    surroundings.timeline.after(surroundings.plan.healAtMs, () => this.#healAll())
  }

  #planNext(kind: FaultKind): void {
    const { timeline, random, plan } = this.#surroundings
    const { everyMs, lastingMs } = plan.faults.get(kind)!
    timeline.after(-Math.log(1 - random.float()) * everyMs, () => {
      if (timeline.nowMs >= plan.healAtMs) return
      const end = this.#inflict(kind)
      if (end) this.#endAfter(lastingMs * (0.5 + random.float()), end)
      this.#planNext(kind)
    })
  }

  #endAfter(ms: number, end: () => void): void {
    this.#lasting.add(end)
    this.#surroundings.timeline.after(ms, () => {
      if (this.#lasting.delete(end)) end()
    })
  }

  #healAll(): void {
    const { network, plan, hosts, trace } = this.#surroundings
    trace('everything heals')
    for (const end of this.#lasting) end()
    this.#lasting.clear()
    network.heal()
    network.setConditions(plan.calmNetwork)
    for (const host of hosts) {
      host.disk.setCapacity(Infinity)
      host.resume()
      host.start()
    }
  }

  /** How it ends, when it is something that lasts. */
  #inflict(kind: FaultKind): (() => void) | undefined {
    switch (kind) {
      case 'split':
        return this.#split()
      case 'isolate':
        return this.#isolate(['to', 'from'])
      case 'one-way':
        return this.#isolate([this.#pick(['to', 'from'])])
      case 'partial':
        return this.#cutSomeLinks()
      case 'slow-links':
        return this.#slowSomeLinks()
      case 'bad-network':
        return this.#worsenNetwork()
      case 'pause':
        return this.#pause()
      case 'crash':
        return this.#crash(this.#victim())
      case 'crash-all':
        return this.#crashAll()
      case 'disk-full':
        return this.#fillDisk()
      case 'bit-flip':
        return this.#loseStorage((host) => host.disk.flipBit(this.#surroundings.random))
      case 'wipe':
        return this.#loseStorage((host) => host.loseDisk())
      case 'clock-jump':
        return this.#jumpClock()
      case 'transfer':
        return this.#transfer()
      case 'membership':
        return this.#changeMembership()
    }
  }

  /** Two sides that do not hear of each other; clients are on either. */
  #split(): () => void {
    const { hosts, clients, random } = this.#surroundings
    const everybody = [...hosts.map(({ number }) => number), ...clients]
    const left = new Set(everybody.filter(() => random.float() < 0.5))
    this.#block(everybody, (from, to) => left.has(from) !== left.has(to))
    return this.#healNetwork(`split: ${[...left].join(' ')} from the rest`)
  }

  /** A host that other hosts cannot reach, or that cannot reach them. Clients can. */
  #isolate(directions: readonly ('to' | 'from')[]): () => void {
    const { number } = this.#victim()
    this.#block(
      this.#surroundings.hosts.map((host) => host.number),
      (from, to) =>
        (from === number && directions.includes('from')) || (to === number && directions.includes('to')),
    )
    return this.#healNetwork(`no messages ${directions.join(' and ')} h${number}`)
  }

  #cutSomeLinks(): () => void {
    const { hosts, random } = this.#surroundings
    const share = random.float()
    this.#block(
      hosts.map((host) => host.number),
      () => random.float() < share,
    )
    return this.#healNetwork('some links are cut')
  }

  #slowSomeLinks(): () => void {
    const { hosts, random, network, plan } = this.#surroundings
    const electionMs = plan.settings.electionTicks * plan.tickMs
    for (const from of hosts) {
      for (const to of hosts) {
        if (random.float() < 0.3) network.slowDown(from.number, to.number, electionMs * random.float())
      }
    }
    return this.#healNetwork('some links are slow')
  }

  #worsenNetwork(): () => void {
    const { network, plan, trace } = this.#surroundings
    trace('the network is bad')
    network.setConditions(plan.badNetwork)
    return () => {
      trace('the network is good again')
      network.setConditions(plan.calmNetwork)
    }
  }

  #block(among: readonly number[], isBlocked: (from: number, to: number) => boolean): void {
    for (const from of among) {
      for (const to of among) {
        if (from !== to && isBlocked(from, to)) this.#surroundings.network.block(from, to)
      }
    }
  }

  #healNetwork(what: string): () => void {
    const { network, trace } = this.#surroundings
    trace(what)
    return () => {
      trace('links heal')
      network.heal()
    }
  }

  #pause(): () => void {
    const host = this.#victim()
    host.pause()
    return () => host.resume()
  }

  #crash(host: SimHost): (() => void) | undefined {
    if (this.#surroundings.plan.isVolatile && !this.#canLose(host)) return undefined
    host.crash(this.#pick<CrashLoss>(['none', 'unsynced', 'torn']))
    return () => host.start()
  }

  #crashAll(): () => void {
    const { hosts } = this.#surroundings
    for (const host of hosts) host.crash(this.#pick<CrashLoss>(['unsynced', 'torn']))
    return () => {
      for (const host of hosts) host.start()
    }
  }

  #fillDisk(): () => void {
    const { trace, random } = this.#surroundings
    const { disk, number } = this.#victim()
    trace(`the disk of h${number} is full`)
    disk.setCapacity(disk.usedBytes + random.int(500))
    return () => {
      trace(`the disk of h${number} has space again`)
      disk.setCapacity(Infinity)
    }
  }

  #loseStorage(lose: (host: SimHost) => void): (() => void) | undefined {
    const host = this.#victim()
    if (!this.#canLose(host)) return undefined
    host.crash('unsynced')
    lose(host)
    return () => host.start()
  }

  #jumpClock(): undefined {
    const { trace, random } = this.#surroundings
    const host = this.#victim()
    const ms = Math.floor(JUMP_MS_MAX * (2 * random.float() - 1))
    trace(`the clock of h${host.number} jumps by ${ms} ms`)
    host.jumpClock(ms)
  }

  #transfer(): undefined {
    const { trace, random } = this.#surroundings
    this.#leader()?.use((member) => {
      const { voters } = member.core.configuration
      const target = voters[random.int(voters.length)]!
      trace(`h${member.host} is to hand leadership to ${target}`)
      member.transferLeadership(target)
    })
  }

  #changeMembership(): undefined {
    const { hosts, random, trace } = this.#surroundings
    const host = random.int(hosts.length)
    if (this.#surroundings.plan.isVolatile && !this.#canLose(hosts[host]!)) return
    trace(`h${host} is to join or to leave`)
    this.#surroundings.operator.toggle(host)
  }

  /**
   * Whether the group survives it when this host loses its storage: everybody is there, and by no configuration that is in
   * force somewhere is any other voter lost already. More than that, consensus does not promise to survive.
   */
  #canLose(host: SimHost): boolean {
    const { hosts } = this.#surroundings
    return hosts.every(({ isRunning, member }) => {
      if (!isRunning || !member) return false
      const { voters } = member.core.configuration
      const others = voters.filter((id) => id !== host.id)
      return (
        others.every((id) => hosts[hostOf(id)]!.id === id) &&
        (others.length >= 2 || others.length === voters.length)
      )
    })
  }

  /** Often the leader, because that is where it hurts. */
  #victim(): SimHost {
    const leader = this.#surroundings.random.float() < 0.5 ? this.#leader() : undefined
    return leader ?? this.#pick(this.#surroundings.hosts)
  }

  #leader(): SimHost | undefined {
    return this.#surroundings.hosts.find((host) => host.member?.core.status.role === 'leader')
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#surroundings.random.int(choices.length)]!
  }
}

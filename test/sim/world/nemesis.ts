import type { Random } from '#framework/primitives'
import type { CrashLoss, SimDisk } from '../environment/disk.js'
import type { SimNetwork } from '../environment/network.js'
import type { Timeline } from '../environment/timeline.js'
import type { WatchedMember } from '../group/watched-member.js'
import type { Message } from '../../../framework/groups/raft/messages.js'
import type { MemberId, Term } from '../../../framework/groups/raft/types.js'
import type { FaultKind, WorldPlan } from './plan.js'

/** A host, as far as something can go wrong with it. */
export interface Victim {
  readonly number: number
  /** The name of the member that runs here, or would. */
  readonly id: MemberId
  readonly isRunning: boolean
  /** Undefined while there is none. */
  readonly member: Pick<WatchedMember, 'core'> | undefined
  readonly disk: Pick<SimDisk<unknown>, 'flipBit' | 'setCapacity' | 'usedBytes' | 'stall' | 'goOn'>
  start(): void
  crash(loss: CrashLoss): void
  loseDisk(): void
  pause(): void
  resume(): void
  jumpClock(ms: number): void
  /** Has the member hand over leadership, if it has it. */
  transferLeadership(target: MemberId): void
}

/** What the nemesis works on. */
export interface NemesisSurroundings {
  readonly plan: WorldPlan
  readonly timeline: Timeline
  readonly random: Random
  readonly hosts: readonly Victim[]
  /** Clients have addresses in the network too. */
  readonly clients: readonly number[]
  readonly network: Pick<SimNetwork<unknown>, 'block' | 'unblock' | 'slowDown' | 'heal' | 'setConditions'>
  /** Has a host join or leave the group. */
  readonly operator: { toggle(host: number): void }
  /** Whether any host may lose its storage now, besides what the configurations say. Default: yes. */
  readonly mayLose?: () => boolean
  readonly trace: (what: string) => void
}

/** Clock jumps reach this far to either side: an hour. */
const JUMP_MS_MAX = 3_600_000

/** After how many appends a new leader is cut off at most. */
const CUT_APPENDS_MAX = 6

/** How long it takes a member that was killed to come back, where that is to be quick. */
const REBOOT_MS_MAX = 20

/** Lets things go wrong, each kind by itself and at random times, until the plan says that they heal. */
export class Nemesis {
  readonly #surroundings: NemesisSurroundings
  /** Ends what lasts, when it is healed before its time. */
  readonly #lasting = new Set<() => void>()
  /** Armed: the next leader of a later term is cut off after so many of its appends have arrived. */
  #cut: { readonly aboveTerm: Term; appendsLeft: number } | undefined
  /** Armed: the next leader that has handed over leadership hears of nothing any more. */
  #deafensOldLeader = false
  /** Armed: the next member that votes for somebody is started again. */
  #rebootsVoter = false

  constructor(surroundings: NemesisSurroundings) {
    this.#surroundings = surroundings
    for (const kind of surroundings.plan.faults.keys()) this.#planNext(kind)
    surroundings.timeline.after(surroundings.plan.healAtMs, () => this.#healAll())
  }

  /** A message is about to arrive: some faults wait for a certain one. */
  arriving(from: number, { type, term, to }: Message): void {
    if (type === 'append' && this.#cut && term > this.#cut.aboveTerm && this.#cut.appendsLeft-- === 0) {
      this.#cut = undefined
      const directions = this.#pick([['from'], ['to', 'from']] as const)
      this.#endAfter(this.#lastingMs('cut-new-leader'), this.#silence(from, directions))
    }
    if (type === 'timeout-now' && this.#deafensOldLeader) {
      this.#deafensOldLeader = false
      this.#endAfter(this.#lastingMs('deafen-old-leader'), this.#deafen(from, to))
    }
  }

  /** A message is sent: some faults wait for a certain one. */
  sending(from: number, message: Message): void {
    if (message.type !== 'vote-answer' || !message.granted || !this.#rebootsVoter) return
    this.#rebootsVoter = false
    const { timeline, random, hosts } = this.#surroundings
    // In a moment, when the member has done what it is about to do.
    timeline.after(0, () => {
      const end = this.#crash(hosts[from]!)
      if (end) this.#endAfter(random.int(REBOOT_MS_MAX), end)
    })
  }

  #planNext(kind: FaultKind): void {
    const { timeline, random, plan } = this.#surroundings
    const { everyMs } = plan.faults.get(kind)!
    timeline.after(-Math.log(1 - random.float()) * everyMs, () => {
      if (timeline.nowMs >= plan.healAtMs) return
      const end = this.#inflict(kind)
      if (end) this.#endAfter(this.#lastingMs(kind), end)
      this.#planNext(kind)
    })
  }

  #lastingMs(kind: FaultKind): number {
    const { plan, random } = this.#surroundings
    return plan.faults.get(kind)!.lastingMs * (0.5 + random.float())
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
    this.#cut = undefined
    this.#deafensOldLeader = false
    this.#rebootsVoter = false
    network.heal()
    network.setConditions(plan.calmNetwork)
    for (const host of hosts) {
      host.disk.setCapacity(Infinity)
      host.disk.goOn()
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
        return this.#silence(this.#victim().number, ['to', 'from'])
      case 'one-way':
        return this.#silence(this.#victim().number, [this.#pick(['to', 'from'])])
      case 'cut-new-leader':
        return this.#armCut()
      case 'deafen-old-leader':
        this.#deafensOldLeader = true
        return undefined
      case 'reboot-voter':
        this.#rebootsVoter = true
        return undefined
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
      case 'stalled-disk':
        return this.#stallDisk()
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
    return this.#block(
      `split: ${[...left].join(' ')} from the rest`,
      everybody,
      (from, to) => left.has(from) !== left.has(to),
    )
  }

  /** A host that other hosts cannot reach, or that cannot reach them. Clients can. */
  #silence(number: number, directions: readonly ('to' | 'from')[]): () => void {
    return this.#block(
      `no messages ${directions.join(' and ')} h${number}`,
      this.#surroundings.hosts.map((host) => host.number),
      (from, to) =>
        (from === number && directions.includes('from')) || (to === number && directions.includes('to')),
    )
  }

  /** A leader that has handed over hears of nothing; or only of somebody that the next leader cannot reach, so that both do not know of it. */
  #deafen(oldLeader: number, next: MemberId): () => void {
    const { hosts, random } = this.#surroundings
    const numbers = hosts.map((host) => host.number)
    const nextLeader = hosts.find(({ id }) => id === next)?.number
    const others = numbers.filter((number) => number !== oldLeader && number !== nextLeader)
    const follower = others.length > 0 && random.float() < 0.5 ? this.#pick(others) : undefined
    return this.#block(
      `no messages to h${oldLeader}${follower === undefined ? '' : ` but of h${follower}`}`,
      numbers,
      (from, to) => (to === oldLeader && from !== follower) || (from === nextLeader && to === follower),
    )
  }

  #armCut(): undefined {
    const { hosts, random } = this.#surroundings
    const aboveTerm = Math.max(...hosts.map(({ member }) => member?.core.status.term ?? 0))
    this.#cut = { aboveTerm, appendsLeft: random.int(CUT_APPENDS_MAX) }
  }

  #cutSomeLinks(): () => void {
    const { hosts, random } = this.#surroundings
    const share = random.float()
    return this.#block(
      'some links are cut',
      hosts.map((host) => host.number),
      () => random.float() < share,
    )
  }

  #slowSomeLinks(): () => void {
    const { hosts, random, network, plan, trace } = this.#surroundings
    const electionMs = plan.settings.electionTicks * plan.tickMs
    trace('some links are slow')
    for (const from of hosts) {
      for (const to of hosts) {
        if (random.float() < 0.3) network.slowDown(from.number, to.number, 2 * electionMs * random.float())
      }
    }
    return () => {
      trace('no link is slow')
      for (const from of hosts) for (const to of hosts) network.slowDown(from.number, to.number, 0)
    }
  }

  /** Blocks links, until what is returned is called. */
  #block(
    what: string,
    among: readonly number[],
    isBlocked: (from: number, to: number) => boolean,
  ): () => void {
    const { network, trace } = this.#surroundings
    trace(what)
    const links = among.flatMap((from) =>
      among.filter((to) => from !== to && isBlocked(from, to)).map((to) => ({ from, to })),
    )
    for (const { from, to } of links) network.block(from, to)
    return () => {
      trace(`over: ${what}`)
      for (const { from, to } of links) network.unblock(from, to)
    }
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

  #pause(): () => void {
    const host = this.#victim()
    host.pause()
    return () => host.resume()
  }

  #crash(host: Victim): (() => void) | undefined {
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

  /** Others go on, and what they have committed arrives here all the same. */
  #stallDisk(): () => void {
    const { trace } = this.#surroundings
    const { disk, number } = this.#victim()
    trace(`the disk of h${number} stalls`)
    disk.stall()
    return () => {
      trace(`the disk of h${number} goes on`)
      disk.goOn()
    }
  }

  #loseStorage(lose: (host: Victim) => void): (() => void) | undefined {
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
    const leader = this.#leader()
    const voters = leader?.isRunning === true ? leader.member?.core.configuration.voters : undefined
    if (leader === undefined || voters === undefined) return
    const target = voters[random.int(voters.length)]!
    trace(`h${leader.number} is to hand leadership to ${target}`)
    leader.transferLeadership(target)
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
  #canLose(host: Victim): boolean {
    const { hosts, mayLose = () => true } = this.#surroundings
    if (!mayLose()) return false
    return hosts.every(({ isRunning, member }) => {
      if (!isRunning || !member) return false
      const { voters } = member.core.configuration
      const others = voters.filter((id) => id !== host.id)
      return (
        others.every((id) => hosts.some((other) => other.id === id)) &&
        (others.length >= 2 || others.length === voters.length)
      )
    })
  }

  /** Often the leader, because that is where it hurts. */
  #victim(): Victim {
    const leader = this.#surroundings.random.float() < 0.5 ? this.#leader() : undefined
    return leader ?? this.#pick(this.#surroundings.hosts)
  }

  #leader(): Victim | undefined {
    return this.#surroundings.hosts.find((host) => host.member?.core.status.role === 'leader')
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#surroundings.random.int(choices.length)]!
  }
}

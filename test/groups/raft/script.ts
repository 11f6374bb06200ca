import {
  configurationOf,
  type Entry,
  type MemberId,
  type Message,
  type ProposeOutcome,
  type RaftLimits,
} from '#framework/groups/raft'
import { Cluster, type Member } from './cluster.js'

/** How much of what a member did was told. */
interface Seen {
  readonly roles: number
  readonly applied: number
  readonly reads: number
  readonly failed: number
  readonly incidents: number
}

/**
 * Runs a script of one command a line and gives back, for each, what came of it. Every message is on its way until it is
 * delivered or dropped by name, so a script says exactly what happens in which order. The commands are those of `#execute`.
 */
export class Script {
  #cluster = new Cluster()
  #lines: string[] = []
  readonly #seen = new Map<Member, Seen>()

  run(command: string): string {
    this.#lines = []
    const isQuiet = command.startsWith('quietly ')
    const [verb = '', ...words] = command.replace(/^quietly /, '').split(/\s+/)
    this.#execute(verb, words)
    this.#report()
    return isQuiet ? 'done' : this.#lines.join('\n') || 'nothing'
  }

  #execute(verb: string, words: readonly string[]): void {
    const [name = '', ...rest] = words
    switch (verb) {
      case 'members':
        this.#cluster = Cluster.founded(
          words.filter((word) => !word.includes('=')),
          { core: { limits: limitsFrom(words) } },
        )
        return
      case 'start':
        this.#cluster.start(name)
        return
      case 'tick':
        this.#cluster.core(name).tick(1)
        for (let count = 1; count < Number(rest[0] ?? 1); count++) this.#cluster.core(name).tick(1)
        return this.#cluster.collect()
      case 'time-out':
        return this.#timeOut(name)
      case 'deliver':
        return this.#deliver(words)
      case 'drop':
        return this.#drop(words)
      case 'propose':
        this.#say(
          outcomeText(
            this.#cluster.core(name).propose(
              rest.map((text) => ({ payload: Buffer.from(text) })),
              0,
            ),
          ),
        )
        return this.#cluster.collect()
      case 'configure':
        this.#say(outcomeText(this.#cluster.core(name).proposeConfiguration(configurationFrom(rest), 0)))
        return this.#cluster.collect()
      case 'transfer': {
        const outcome = this.#cluster.core(name).transferLeadership(rest[0] as MemberId)
        this.#say(outcome.accepted ? 'under way' : `refused: ${outcome.reason}`)
        return this.#cluster.collect()
      }
      case 'read': {
        const outcome = this.#cluster.core(name).read(rest[0] as 'strong' | 'lease')
        this.#say(outcome.accepted ? `read ${outcome.id}` : `refused: ${outcome.reason}`)
        return this.#cluster.collect()
      }
      case 'compact': {
        const base = this.#cluster.core(name).compact(Number(rest[0]))
        return this.#say(base ? `log begins behind ${base.index}` : 'nothing is compacted')
      }
      case 'install': {
        const facts = this.#cluster.core(rest[0]!).snapshotFactsAt(Number(rest[1]))
        this.#say(
          facts && this.#cluster.core(name).installSnapshot(facts)
            ? `installed ${facts.index}`
            : 'not installed',
        )
        return this.#cluster.collect()
      }
      case 'hold':
        this.#cluster.get(name).isDiskHeld = true
        return
      case 'flush':
        this.#cluster.get(name).isDiskHeld = false
        this.#cluster.get(name).flushDisk()
        return this.#cluster.collect()
      case 'restart':
        this.#cluster.get(name).restart()
        this.#seen.set(this.#cluster.get(name), { ...this.#seenOf(this.#cluster.get(name)), applied: 0 })
        return
      case 'logs':
        for (const member of this.#cluster.members.keys())
          this.#say(`${member}: ${this.#cluster.log(member)}`)
        return
      case 'wire':
        for (const message of this.#cluster.wire) this.#say(messageText(message))
        return
      default:
        throw new Error(`there is no command "${verb}"`)
    }
  }

  /** Only this member's time passes, until its patience is over. */
  #timeOut(name: string): void {
    const core = this.#cluster.core(name)
    const isOver = (): boolean => core.hasReady
    for (let tick = 0; tick < 500 && !isOver(); tick++) core.tick()
    this.#cluster.collect()
  }

  #deliver(patterns: readonly string[]): void {
    const matches = (message: Message): boolean => isMeant(message, patterns)
    this.#cluster.collect()
    // With names: what is on its way now. Without: until there is nothing more to say.
    let count = patterns.length > 0 ? this.#cluster.wire.filter(matches).length : 1_000
    while (count-- > 0) {
      const message = this.#cluster.wire.find(matches)
      if (!message) return
      this.#say(messageText(message))
      this.#cluster.deliverOne((candidate) => candidate === message)
      this.#report()
    }
  }

  #drop(patterns: readonly string[]): void {
    this.#cluster.collect()
    for (const message of this.#cluster.wire.filter((candidate) => isMeant(candidate, patterns))) {
      this.#cluster.wire.splice(this.#cluster.wire.indexOf(message), 1)
      this.#say(`lost ${messageText(message)}`)
    }
  }

  /** What the members did since the last time. */
  #report(): void {
    for (const [name, member] of this.#cluster.members) {
      const seen = this.#seenOf(member)
      const applied = member.applied.slice(seen.applied)
      for (const role of member.roles.slice(seen.roles)) this.#say(`  ${name} is ${role}`)
      if (applied.length > 0)
        this.#say(`  ${name} applies ${applied.map((entry) => entryText(entry)).join(' ')}`)
      for (const id of member.reads.slice(seen.reads)) this.#say(`  ${name} may answer read ${id}`)
      for (const id of member.failedReads.slice(seen.failed)) this.#say(`  ${name} fails read ${id}`)
      for (const incident of member.incidents.slice(seen.incidents))
        this.#say(`  ${name} reports ${incident.type}`)
      this.#seen.set(member, {
        roles: member.roles.length,
        applied: member.applied.length,
        reads: member.reads.length,
        failed: member.failedReads.length,
        incidents: member.incidents.length,
      })
    }
  }

  #seenOf(member: Member): Seen {
    return this.#seen.get(member) ?? { roles: 0, applied: 0, reads: 0, failed: 0, incidents: 0 }
  }

  #say(line: string): void {
    this.#lines.push(line)
  }
}

/** Patterns are `a->b`, `a->`, `->b`, or the type of a message; one of them must fit, and none stands for all. */
function isMeant({ from, to, type }: Message, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return true
  return patterns.some((pattern) => {
    const [sender, receiver] = pattern.split('->')
    if (receiver === undefined) return pattern === type
    return (sender === '' || sender === from) && (receiver === '' || receiver === to)
  })
}

/** `append=1`: entries of a message; `tail=2`: entries that compaction leaves. */
function limitsFrom(words: readonly string[]): Partial<RaftLimits> {
  const valueOf = (key: string): number | undefined => {
    const word = words.find((candidate) => candidate.startsWith(`${key}=`))
    return word === undefined ? undefined : Number(word.slice(key.length + 1))
  }
  const appendEntriesMax = valueOf('append')
  const tailEntriesMax = valueOf('tail')
  return {
    ...(appendEntriesMax !== undefined && { appendEntriesMax }),
    ...(tailEntriesMax !== undefined && { tailEntriesMax }),
  }
}

function configurationFrom(words: readonly string[]): ReturnType<typeof configurationOf> {
  const listOf = (key: string): MemberId[] => {
    const word = words.find((candidate) => candidate.startsWith(`${key}=`))
    return (word?.slice(key.length + 1).split(',') ?? []) as MemberId[]
  }
  return configurationOf(listOf('voters'), listOf('learners'))
}

function outcomeText(outcome: ProposeOutcome): string {
  if (!outcome.accepted) return `refused: ${outcome.reason}, leader ${outcome.leader ?? 'unknown'}`
  const { firstIndex, lastIndex, term } = outcome
  return firstIndex === lastIndex
    ? `appended ${term}:${lastIndex}`
    : `appended ${term}:${firstIndex}–${lastIndex}`
}

function entryText({ index, term, kind, payload }: Entry): string {
  return `${index}@${term}:${kind === 'command' ? Buffer.from(payload).toString() : kind}`
}

function messageText(message: Message): string {
  const head = `${message.from}->${message.to} ${message.type} term=${message.term}`
  switch (message.type) {
    case 'pre-vote-request':
      return `${head} log=${message.lastIndex}@${message.lastTerm}`
    case 'vote-request':
      return `${head} log=${message.lastIndex}@${message.lastTerm}${message.transfer ? ' transfer' : ''}`
    case 'pre-vote-answer':
    case 'vote-answer':
      return `${head} ${message.granted ? 'granted' : 'denied'}`
    case 'append': {
      const entries = message.entries.map((entry) => entryText(entry)).join(' ')
      const kind = { 'when-durable': '', 'at-once': ' heartbeat', none: ' notice', quiesce: ' quiesce' }[
        message.answer
      ]
      return `${head}${kind} prev=${message.prevIndex}@${message.prevTerm} [${entries}] commit=${message.commitIndex} round=${message.round}`
    }
    case 'sync-required':
      return `${head} first=${message.firstIndex} commit=${message.commitIndex} round=${message.round}`
    case 'append-answer': {
      const { accepted, matchIndex, rejectedIndex, conflictTerm, conflictIndex, lastIndex, round } = message
      return accepted
        ? `${head} match=${matchIndex} round=${round}`
        : `${head} rejected=${rejectedIndex} conflict=${conflictIndex}@${conflictTerm} last=${lastIndex} round=${round}`
    }
    case 'timeout-now':
      return head
  }
}

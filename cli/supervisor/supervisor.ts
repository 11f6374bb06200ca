// Runs the replicas of a manifest as processes: starts them, tells them about each other, starts again what ends, and
// ends them all in order.
import { randomBytes } from 'node:crypto'
import type { Clock, Timer } from '#framework/primitives'
import type { DiscoveryDeclaration } from '#framework/topology'
import { ExitCode } from '../exit-codes.js'
import type { LogLevel } from '../log-level.js'
import { EdgeLedger } from './edge-ledger.js'
import type { Reporter } from './events.js'
import { type EdgeReport, type FromNode, replicaName, type StartMessage } from './messages.js'
import { NodeChild } from './node-child.js'
import { type RestartDecision, RestartPolicy } from './restart-policy.js'

/** How long a node may take to say goodbye before it is killed. */
const stopTimeoutMs = 12_000

/** A node that has just become ready is told about this many others; gossip brings the rest. */
const introductionCountMax = 4

export interface ReplicaPlan {
  readonly node: string
  readonly replica: number
  readonly listen: readonly string[]
}

export interface SupervisorOptions {
  /** Absolute path of the manifest, which each node process reads for itself. */
  readonly manifest: string
  readonly replicas: readonly ReplicaPlan[]
  /** Every edge that the manifest declares, between replicas. */
  readonly expectedEdges: readonly EdgeReport[]
  readonly seeds: readonly string[]
  /** What is to hold instead of what the manifest says about finding peers. */
  readonly discovery: DiscoveryDeclaration
  /** The folder for what nodes keep, instead of the manifest's. */
  readonly data?: string
  /** Of each group. */
  readonly founders: StartMessage['founders']
  /** Processes that are loading already, for the first starts. */
  readonly spares?: readonly NodeChild[]
  readonly logLevel: LogLevel
  readonly reporter: Reporter
  readonly clock: Clock
}

interface Replica {
  readonly plan: ReplicaPlan
  readonly name: string
  readonly seed: string
  readonly policy: RestartPolicy
  child: NodeChild | undefined
  addresses: readonly string[]
  startedAt: number
  restartCount: number
  restart: Timer | undefined
  /** Set when the node itself said why it cannot run. */
  failure: { readonly message: string; readonly permanent: boolean } | undefined
}

interface Ending {
  exitCode: ExitCode
  reason: string
  lastLines?: readonly string[]
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #replicas: readonly Replica[]
  readonly #ledger: EdgeLedger
  readonly #spares: NodeChild[]
  readonly #done = Promise.withResolvers<ExitCode>()
  #ending: Ending | undefined
  #stopTimer: Timer | undefined
  #lostAt: number | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#spares = [...(options.spares ?? [])]
    this.#replicas = options.replicas.map((plan) => ({
      plan,
      name: replicaName(plan.node, plan.replica),
      seed: randomBytes(32).toString('hex'),
      policy: new RestartPolicy(),
      child: undefined,
      addresses: [],
      startedAt: 0,
      restartCount: 0,
      restart: undefined,
      failure: undefined,
    }))
    this.#ledger = new EdgeLedger(options.expectedEdges, new Set(this.#replicas.map(({ name }) => name)))
  }

  /** Starts everything. Resolves with the run's exit code when the last process has ended. */
  run(): Promise<ExitCode> {
    this.#lostAt = this.#options.clock.monotonic()
    for (const replica of this.#replicas) this.#start(replica)
    return this.#done.promise
  }

  /** Ends every node in order: departures are announced, then the processes end. Idempotent. */
  stop(reason: string, exitCode: ExitCode = ExitCode.ok, lastLines?: readonly string[]): void {
    if (this.#ending !== undefined) return
    this.#ending = lastLines === undefined ? { reason, exitCode } : { reason, exitCode, lastLines }
    this.#options.reporter.report({ event: 'stopping', reason })
    for (const replica of this.#replicas) {
      replica.restart?.cancel()
      replica.child?.send({ type: 'stop' })
    }
    this.#stopTimer = this.#options.clock.after(stopTimeoutMs, () => {
      const late = this.#replicas.filter(({ child }) => child !== undefined)
      this.#end(
        ExitCode.failure,
        `${late.map(({ name }) => name).join(', ')} did not stop within ${stopTimeoutMs / 1000} s`,
      )
      for (const { child } of late) child?.kill()
    })
    this.#finishWhenAllEnded()
  }

  /** Ends every process at once. */
  kill(): void {
    this.stop('interrupted', ExitCode.interrupted)
    this.#end(ExitCode.interrupted, 'stopped at once')
    for (const { child } of this.#replicas) child?.kill()
  }

  #end(exitCode: ExitCode, reason: string): void {
    if (this.#ending !== undefined) this.#ending = { ...this.#ending, exitCode, reason }
  }

  #start(replica: Replica): void {
    const { manifest, seeds, discovery, data, founders, logLevel, reporter, clock } = this.#options
    const { node, replica: number, listen } = replica.plan
    replica.restart = undefined
    replica.failure = undefined
    replica.startedAt = clock.monotonic()
    const child = this.#spares.pop() ?? new NodeChild(this.#replicas.length)
    replica.child = child
    reporter.report({
      event: 'node-started',
      node,
      replica: number,
      pid: child.pid,
      restartCount: replica.restartCount,
    })
    child.attach({
      onMessage: (message) => this.#onMessage(replica, message),
      onLine: (line, source) =>
        reporter.report({
          event: 'log',
          node,
          replica: number,
          level: source === 'stderr' ? 'error' : 'info',
          message: line,
        }),
      onExit: (code, signal) => this.#onExit(replica, code, signal),
    })
    child.send({
      type: 'start',
      manifest,
      node,
      replica: number,
      seed: replica.seed,
      listen,
      seeds,
      discovery,
      founders,
      ...(data !== undefined && { data }),
      logLevel,
    })
  }

  #onMessage(replica: Replica, message: FromNode): void {
    const { node, replica: number } = replica.plan
    const { reporter } = this.#options
    switch (message.type) {
      case 'ready':
        replica.addresses = message.addresses
        reporter.report({
          event: 'node-ready',
          node,
          replica: number,
          peerId: message.peerId,
          addresses: message.addresses,
        })
        return this.#introduce(replica)
      case 'edges':
        return this.#onEdges(replica, message.edges)
      case 'leads': {
        const { group, term, voters } = message
        return reporter.report({ event: 'group-leader', node, replica: number, group, term, voters })
      }
      case 'log':
        if (message.level === 'error' || message.level === 'warn') replica.child?.remember(message.message)
        return reporter.report({
          event: 'log',
          node,
          replica: number,
          level: message.level,
          message: message.message,
          fields: message.fields,
        })
      case 'display':
        return reporter.report({ event: 'display', node, replica: number, text: message.text })
      case 'finished':
        return message.failure === undefined
          ? this.stop(`${replica.name} is done`)
          : this.stop(`${replica.name} is done without success: ${message.failure}`, ExitCode.failure)
      case 'failed':
        replica.failure = message
        replica.child?.remember(message.message)
        return reporter.report({
          event: 'log',
          node,
          replica: number,
          level: 'error',
          message: message.message,
        })
    }
  }

  /** Peers find each other by gossip, but somebody has to make the first introduction. */
  #introduce(replica: Replica): void {
    const others = this.#replicas
      .filter((other) => other !== replica && other.addresses.length > 0)
      .slice(0, introductionCountMax)
    if (others.length > 0)
      replica.child?.send({ type: 'dial', addresses: others.flatMap(({ addresses }) => addresses) })
  }

  #onEdges(replica: Replica, edges: readonly EdgeReport[]): void {
    const { reporter, clock } = this.#options
    const wasConverged = this.#lostAt === undefined
    const { up, down } = this.#ledger.report(replica.name, edges)
    for (const edge of down) reporter.report({ event: 'edge-down', ...edge })
    for (const edge of up) reporter.report({ event: 'edge-up', ...edge })
    if (!this.#ledger.converged) {
      if (wasConverged) this.#lostAt = clock.monotonic()
    } else if (this.#lostAt !== undefined && this.#replicas.every(({ addresses }) => addresses.length > 0)) {
      reporter.report({
        event: 'converged',
        ms: Math.round(clock.monotonic() - this.#lostAt),
        edges: this.#ledger.expectedCount,
      })
      this.#lostAt = undefined
    }
  }

  #onExit(replica: Replica, code: number | null, signal: NodeJS.Signals | null): void {
    const { reporter, clock } = this.#options
    const { node, replica: number } = replica.plan
    const lastLines = replica.child?.lastLines ?? []
    replica.child = undefined
    replica.addresses = []
    const decision = this.#ending === undefined ? this.#decide(replica) : undefined
    const restartInMs = decision?.type === 'restart' ? decision.delayMs : undefined
    reporter.report({
      event: 'node-exit',
      node,
      replica: number,
      code,
      signal,
      ...(restartInMs !== undefined && { restartInMs }),
    })
    this.#onEdges(replica, [])
    if (restartInMs !== undefined) {
      replica.restartCount++
      replica.restart = clock.after(restartInMs, () => this.#start(replica))
    } else if (decision?.type === 'give-up') {
      const why =
        replica.failure === undefined
          ? `${replica.name} ended ${decision.exitCount} times in a row: giving up. Its last lines are above`
          : `${replica.name} cannot run: ${replica.failure.message}`
      this.stop(why, ExitCode.failure, lastLines)
    }
    this.#finishWhenAllEnded()
  }

  #decide(replica: Replica): RestartDecision {
    if (replica.failure?.permanent === true) return { type: 'give-up', exitCount: replica.restartCount + 1 }
    return replica.policy.onExit(this.#options.clock.monotonic() - replica.startedAt)
  }

  #finishWhenAllEnded(): void {
    if (this.#ending === undefined || this.#replicas.some(({ child }) => child !== undefined)) return
    this.#stopTimer?.cancel()
    this.#options.reporter.report({ event: 'stopped', ...this.#ending })
    this.#options.reporter.close()
    this.#done.resolve(this.#ending.exitCode)
  }
}

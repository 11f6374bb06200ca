import {
  EndedError,
  messageOf,
  silentLogger,
  systemClock,
  systemRandom,
  Watch,
  type Logger,
  type ReadonlyWatch,
} from '#framework/primitives'
import type { Host } from '#framework/network'
import type { Discovery } from '#framework/discovery'
import { Streams } from '#framework/streams'
import { assertConfig } from './config-error.js'
import { joinNetwork, type JoinOptions } from './membership.js'
import { observedEdges, sameEdges, type EdgeEnd, type ObservedEdge } from './observed-edges.js'
import { ServiceError } from './service-error.js'
import { NodeGroups, type GroupSettings, type NamedGroupStatus } from './node-groups.js'
import type { BoundService, NodeInfo, ServiceBinding } from './service.js'

/** What a node is started with: how it takes part in the network, and what it runs. */
export interface NodeOptions extends Omit<JoinOptions, 'node'> {
  readonly name: string
  /** Which of the node's replicas this is, counted from 0. */
  readonly replica: number
  /** Labels to announce, besides those of the services. */
  readonly tags: readonly string[]
  /** What the services' configuration is read from. */
  readonly config: Readonly<Record<string, unknown>>
  /** Started in this order. */
  readonly services: readonly ServiceBinding[]
  /** What holds of groups, by name, whatever the services say. Default: nothing. */
  readonly groups?: Readonly<Record<string, GroupSettings>>
  /** Where the services' displays go. Default: the log. */
  readonly display?: (text: string) => void
  /** Who is told when a service says that everything is done, or has failed. Default: the log. */
  readonly finish?: (failure: string | undefined) => void
}

/** A node that takes part in its network. */
export interface RunningNode extends AsyncDisposable {
  readonly info: NodeInfo
  readonly host: Host
  readonly discovery: Discovery
  readonly streams: Streams
  /** The services in starting order. */
  readonly services: readonly BoundService[]
  /** The groups that the services are in. */
  readonly groups: ReadonlyWatch<readonly NamedGroupStatus[]>
  /** The subscriptions that are up and have one end on this node, as producer or as consumer. */
  readonly edges: ReadonlyWatch<readonly ObservedEdge[]>
  /**
   * Resolves when the node is closed, with what made it close: `undefined` when it was asked to, a
   * {@link ServiceError} when a service failed, otherwise the failure of the network. Never rejects.
   */
  readonly closed: Promise<unknown>
  /**
   * Ends everything in order: the services stop, the groups are left, the streams are drained and ended, the departure is
   * announced, the host closes. Each step is bounded in time. Idempotent; never rejects.
   */
  close(): Promise<void>
}

/**
 * Starts a node: one identity in one network, with the given services. It counts as started when every service is bound
 * to its streams and was asked to start; other nodes are found from then on, in the background.
 *
 * A service that fails takes its node down: it is logged by name, the node closes in order, and
 * {@link RunningNode.closed} resolves with the cause. Whether to start it again is for whoever runs the node to decide.
 *
 * When it rejects, everything that was started has been closed again.
 *
 * @throws ConfigError (`CONFIG_INVALID`) with every problem of the configuration, before anything is started.
 * @throws What {@link joinNetwork} throws, such as `ADDRESS_IN_USE`.
 * @throws What a service throws while it is made.
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  assertConfig([options])
  const cleanup = new Cleanup(options.logger ?? silentLogger)
  try {
    return await start(options, cleanup)
  } catch (error) {
    await cleanup.run()
    throw error
  }
}

async function start(options: NodeOptions, cleanup: Cleanup): Promise<RunningNode> {
  const { network, name, replica, config } = options
  const { clock = systemClock, random = systemRandom, logger = silentLogger } = options
  const common = { clock, random, logger }

  const tags = [
    ...new Set([...options.tags, ...options.services.flatMap((service) => service.declaration.tags)]),
  ]
  const membership = await joinNetwork({ ...options, ...common, tags, node: { name, replica } })
  cleanup.add('the membership', () => membership.close())
  const { host, discovery } = membership

  const edges = new Watch<readonly ObservedEdge[]>([])
  cleanup.add('the edges', async () => edges.end())
  const streams = Streams.start({ ...common, host, discovery })
  cleanup.add('the streams', () => streams.close())
  followEdges(edges, { node: name, replica, peer: host.peerId }, streams)
  const { secret, data, groups: settings = {} } = options
  const groups = new NodeGroups({ ...common, host, discovery, network, secret, data, settings })
  cleanup.add('the groups', () => groups.close())

  const info: NodeInfo = { network, name, replica, peerId: host.peerId, tags }
  const closing = new AbortController()
  const services: BoundService[] = []
  cleanup.add('the services', async () => {
    closing.abort(new EndedError(`node ${name}-${replica} is closing`))
    await Promise.all(services.map((service) => service.stop()))
  })
  for (const binding of options.services) {
    const serviceLogger = logger.child({ service: binding.declaration.name })
    const display = options.display ?? ((text: string) => serviceLogger.info(text))
    const finish = options.finish ?? ((failure?: string) => logFinish(serviceLogger, failure))
    services.push(
      await binding.bind({
        node: info,
        config,
        streams,
        groups,
        logger: serviceLogger,
        clock,
        random,
        metrics: host.metrics,
        signal: closing.signal,
        display,
        finish,
      }),
    )
  }

  const node = new LocalNode(
    { info, host, discovery, streams, services, groups: groups.statuses, edges: edges.asReadonly() },
    cleanup,
  )
  void host.closed.then((cause) => node.fail(cause ?? new EndedError('the host was closed')))
  void discovery.closed.then((cause) => node.fail(cause ?? new EndedError('discovery was closed')))
  for (const [index, service] of services.entries()) {
    const serviceName = options.services[index]?.declaration.name ?? ''
    void service.failed.then((cause) => {
      const error = new ServiceError(serviceName, cause)
      logger.error(error.message, { service: serviceName, cause })
      node.fail(error)
    })
  }
  for (const service of services) await service.start()
  return node
}

/** Keeps the watch up to date until the streams are closed, which ends what it follows. */
function followEdges(edges: Watch<readonly ObservedEdge[]>, me: EdgeEnd, streams: Streams): void {
  const update = (): void => {
    const seen = observedEdges(streams.subscriptions.value, me)
    if (!sameEdges(seen, edges.value)) edges.set(seen)
  }
  streams.subscriptions.subscribe(update)
  update()
}

function logFinish(logger: Logger, failure: string | undefined): void {
  if (failure === undefined) logger.info('finished')
  else logger.error(`finished without success: ${failure}`)
}

type NodeParts = Pick<
  RunningNode,
  'info' | 'host' | 'discovery' | 'streams' | 'services' | 'groups' | 'edges'
>

class LocalNode implements RunningNode {
  readonly info: NodeInfo
  readonly host: Host
  readonly discovery: Discovery
  readonly streams: Streams
  readonly services: readonly BoundService[]
  readonly groups: ReadonlyWatch<readonly NamedGroupStatus[]>
  readonly edges: ReadonlyWatch<readonly ObservedEdge[]>
  readonly closed: Promise<unknown>
  readonly #cleanup: Cleanup
  #resolveClosed!: (cause: unknown) => void
  #closing: Promise<void> | undefined

  constructor(parts: NodeParts, cleanup: Cleanup) {
    this.info = parts.info
    this.host = parts.host
    this.discovery = parts.discovery
    this.streams = parts.streams
    this.services = parts.services
    this.groups = parts.groups
    this.edges = parts.edges
    this.#cleanup = cleanup
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  close(): Promise<void> {
    return this.#close(undefined)
  }

  /** Closes the node because something of it failed. What fails while the node closes is a consequence of that. */
  fail(cause: unknown): void {
    void this.#close(cause)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #close(cause: unknown): Promise<void> {
    this.#closing ??= this.#cleanup.run().then(() => this.#resolveClosed(cause))
    return this.#closing
  }
}

/** What has to be undone, last first. A step that fails is logged and does not keep the others from running. */
class Cleanup {
  readonly #logger: Logger
  readonly #steps: { readonly name: string; readonly run: () => Promise<void> }[] = []

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(name: string, run: () => Promise<void>): void {
    this.#steps.push({ name, run })
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.run()
      } catch (error) {
        this.#logger.warn(`could not close ${step.name}: ${messageOf(error)}`)
      }
    }
  }
}

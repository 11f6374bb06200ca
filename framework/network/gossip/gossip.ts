import { hash } from 'node:crypto'
import {
  StrictNoSign,
  TopicValidatorResult,
  gossipsub,
  type GossipSub,
  type GossipSubComponents,
  type GossipsubMessage,
  type MeshPeer,
} from '@libp2p/gossipsub'
import type { Connection, PeerId as Libp2pPeerId, Stream } from '@libp2p/interface'
import { MosaikError, TaskScope, messageOf, raceSignal, type PeerId } from '#framework/primitives'
import { libp2pPrivateKey } from '../libp2p-keys.js'
import { fromLibp2pPeerId } from '../libp2p-peer-id.js'
import { libp2pLogger } from '../libp2p-logger.js'
import { GossipPeer } from './gossip-peer.js'
import { GOSSIP_PROTOCOL, GOSSIP_STREAMS_MAX } from './gossip-protocol.js'
import { GossipRegistrar } from './gossip-registrar.js'
import { Topic, type GossipTopic, type GossipTopicOptions, type GossipVerdict } from './gossip-topic.js'
import { internalsOf, type GossipsubInternals } from './gossipsub-internals.js'
import { LOSSES, Reputation, lossOf, scoreThresholds } from './reputation.js'
import type { Connections } from '../connections.js'
import type { HostContext } from '../host-context.js'

/** How many heartbeats a message can be caught up on, and is remembered at all. */
const CATCH_UP_HEARTBEATS = 5
const CATCH_UP_MESSAGES_MAX = 500
/**
 * Each message is offered about fifteen times by its id alone. At this length nobody can make a message that passes for a
 * given other one.
 */
const MESSAGE_ID_BYTES = 12
/** To how many peers that are no neighbours messages are offered at each heartbeat. */
const LAZY_PEERS = 3
/** Every so many heartbeats the subscriptions are said again, which costs little and mends whatever got out of step. */
const RESUBSCRIBE_HEARTBEATS = 5
/** As many as gossipsub itself offers and asks for in one heartbeat; what it remembers of IDONTWANT is fewer. */
const IDS_PER_CALL_MAX = 5_000
const IDONTWANT_PER_CALL_MAX = 512
/** Room for one message of the largest size and what gossipsub puts around it. */
const RPC_OVERHEAD_BYTES = 16 * 1024
/** What gossipsub charges a peer for each topic it subscribes to, about. */
const TOPIC_COST_BYTES = 1_100

/**
 * Gossip among the admitted peers (gossipsub v1.2, libp2p specs), behind an interface of ours: unsigned (who signs what
 * is for the messages themselves), without peer exchange, and with streams that the host looks after.
 */
export class Gossip {
  readonly #context: HostContext
  readonly #connections: Connections
  readonly #registrar = new GossipRegistrar()
  readonly #gossipsub: GossipSub
  readonly #internals: GossipsubInternals
  readonly #reputation = new Reputation()
  readonly #peers = new Map<PeerId, { readonly member: GossipPeer; readonly leave: () => void }>()
  /** By the names that gossipsub has for them. */
  readonly #members = new Map<string, GossipPeer>()
  readonly #topics = new Map<string, Topic>()
  readonly #scope = new TaskScope()
  readonly #unregister: (() => void)[] = []
  #heartbeats = 0

  constructor(context: HostContext, connections: Connections) {
    this.#context = context
    this.#connections = connections
    const { identity, clock, logger } = context
    const { libp2p } = context.transports
    const limits = context.limits.gossip
    const components: Omit<GossipSubComponents, 'connectionManager'> = {
      privateKey: libp2pPrivateKey(identity),
      peerId: libp2p.peerId,
      peerStore: libp2p.peerStore,
      registrar: this.#registrar.asComponent(),
      logger: libp2pLogger(logger),
    }
    const make = gossipsub({
      // What travels here carries its author's signature inside; a second one by gossipsub would say nothing more.
      globalSignaturePolicy: StrictNoSign,
      msgIdFn: ({ topic, data }) =>
        hash('sha256', Buffer.concat([Buffer.from(topic), data]), 'buffer').subarray(0, MESSAGE_ID_BYTES),
      D: limits.meshPeers,
      Dlo: limits.meshPeersMin,
      Dhi: limits.meshPeersMax,
      Dscore: limits.meshPeersMin,
      Dlazy: LAZY_PEERS,
      Dout: 1,
      heartbeatInterval: limits.heartbeatMs,
      mcacheGossip: CATCH_UP_HEARTBEATS,
      mcacheLength: CATCH_UP_HEARTBEATS + 1,
      seenTTL: limits.seenMs,
      // Our own messages go to all subscribers at once: they are few and small, and nobody on the way can suppress them.
      floodPublish: true,
      fallbackToFloodsub: false,
      // Peer exchange would let a neighbour choose whom we connect to. Discovery does that, from signed records.
      doPX: false,
      tagMeshPeers: false,
      emitSelf: false,
      allowPublishToZeroTopicPeers: true,
      ignoreDuplicatePublishError: true,
      // Telling others that a message need not be sent costs about as much as a small message.
      idontwantMinDataSize: 4 * 1024,
      maxOutboundBufferSize: limits.queueBytesMax,
      maxInboundDataLength: limits.messageBytesMax + RPC_OVERHEAD_BYTES,
      maxTopicBytesPerPeer: limits.topicsPerPeerMax * TOPIC_COST_BYTES,
      // Nobody has more to say in one call than something of each topic; the rest is bounded by the length of a call.
      decodeRpcLimits: {
        maxSubscriptions: 2 * limits.topicsPerPeerMax,
        maxControlMessages: 2 * limits.topicsPerPeerMax,
        maxMessages: IDS_PER_CALL_MAX,
        maxIhaveMessageIDs: IDS_PER_CALL_MAX,
        maxIwantMessageIDs: IDS_PER_CALL_MAX,
        maxIdontwantMessageIDs: IDONTWANT_PER_CALL_MAX,
        maxPeerInfos: 0,
      },
      scoreParams: {
        appSpecificScore: (name: string) => this.#reputation.score(name, clock.monotonic()),
        appSpecificWeight: 1,
        // Broken promises (IHAVE of what is not sent when asked for) and grafts against a backoff: the first costs about as
        // much as three rejected messages, the third in short order everything. A second later they count a fifth.
        behaviourPenaltyWeight: -10,
        behaviourPenaltyThreshold: 0,
        behaviourPenaltyDecay: 0.2,
        // The nodes of one machine, or behind one address translation, are not an attack.
        IPColocationFactorWeight: 0,
        retainScore: 10 * 60_000,
      },
      scoreThresholds,
    })
    // The connection manager is only used for peer exchange and direct peers, neither of which there is.
    this.#gossipsub = make(components as GossipSubComponents)
    this.#gossipsub.protocols = [GOSSIP_PROTOCOL]
    this.#internals = internalsOf(this.#gossipsub)
  }

  async start(): Promise<void> {
    const { transports, metrics } = this.#context
    await this.#internals.start()
    this.#gossipsub.addEventListener('gossipsub:message', ({ detail }) => this.#onMessage(detail))
    this.#gossipsub.addEventListener('gossipsub:heartbeat', () => this.#onHeartbeat())
    this.#gossipsub.addEventListener('gossipsub:graft', ({ detail }) => this.#onMeshChange(detail))
    this.#gossipsub.addEventListener('gossipsub:prune', ({ detail }) => this.#onMeshChange(detail))
    this.#unregister.push(
      this.#connections.onAdmitted(({ peer }) => this.#onAdmitted(peer)),
      this.#connections.peers.subscribe((peers) => this.#onPeers(peers)),
      metrics.gossipNeighbours.collect(() => this.neighbours.size),
      metrics.gossipTopics.collect(() => this.#internals.topics.size),
      metrics.gossipDistrusted.collect(() => this.#countDistrusted()),
    )
    const onStream = (stream: Stream, connection: Connection): void =>
      this.#background('gossip stream', () => this.#onStream(stream, connection))
    await transports.libp2p.handle(GOSSIP_PROTOCOL, onStream, {
      maxInboundStreams: GOSSIP_STREAMS_MAX,
      maxOutboundStreams: GOSSIP_STREAMS_MAX,
    })
  }

  /** The peers that messages are exchanged with directly, over all topics. */
  get neighbours(): ReadonlySet<PeerId> {
    return new Set([...this.#topics.values()].flatMap(({ neighbours }) => [...neighbours.value]))
  }

  /**
   * Takes part in a topic.
   *
   * @throws {MosaikError} `GOSSIP_TOPIC_TAKEN`, when this node does already; `GOSSIP_CLOSED`.
   */
  topic(name: string, options: GossipTopicOptions): GossipTopic {
    if (this.#scope.signal.aborted) throw closedError()
    if (this.#topics.has(name)) {
      throw new MosaikError('GOSSIP_TOPIC_TAKEN', `the topic ${name} is in use on this node`)
    }
    const messageBytesMax = Math.min(options.messageBytesMax, this.#context.limits.gossip.messageBytesMax)
    const topic = new Topic({
      messageBytesMax,
      publish: (data) => this.#publish(name, data),
      leave: () => this.#leave(name),
      onListenerFailed: (error) => {
        this.#context.logger.error('a listener to gossip failed', { cause: messageOf(error) })
      },
    })
    this.#topics.set(name, topic)
    this.#gossipsub.topicValidators.set(name, (from, { data }) =>
      this.#judge({ validate: options.validate, messageBytesMax }, from, data),
    )
    this.#gossipsub.subscribe(name)
    this.#updateNeighbours()
    return topic
  }

  /**
   * Sends what is on its way and ends. Idempotent.
   *
   * @param signal Bounds the sending.
   */
  async close(signal: AbortSignal): Promise<void> {
    if (this.#scope.signal.aborted) return
    for (const unregister of this.#unregister.splice(0)) unregister()
    await this.#scope.close(closedError())
    // Read before stopping, which forgets this timer without clearing it.
    const { heartbeatTimeout } = this.#internals.status
    const stopping = this.#internals.stop()
    clearTimeout(heartbeatTimeout)
    // It waits until streams are flushed, and a peer that does not read would make it wait for ever. What it does only
    // after that must be done in any case: these timers would keep the process alive.
    await raceSignal(stopping, signal).catch(() => {})
    this.#internals.score.stop()
    clearTimeout(this.#internals.directPeerInitial ?? undefined)
    for (const { member } of this.#peers.values()) member.dispose()
    this.#peers.clear()
    this.#members.clear()
    for (const topic of this.#topics.values()) topic.end()
    this.#topics.clear()
    await this.#context.transports.libp2p.unhandle(GOSSIP_PROTOCOL)
  }

  async #publish(name: string, data: Uint8Array): Promise<number> {
    const { recipients } = await this.#gossipsub.publish(name, data)
    this.#context.metrics.gossipPublished(recipients.length > 0 ? 'sent' : 'nobody')
    return recipients.length
  }

  #leave(name: string): void {
    if (!this.#topics.delete(name)) return
    this.#gossipsub.unsubscribe(name)
    this.#gossipsub.topicValidators.delete(name)
  }

  #judge(
    { validate, messageBytesMax }: GossipTopicOptions,
    from: Libp2pPeerId,
    data: Uint8Array,
  ): TopicValidatorResult {
    const { metrics, clock, logger } = this.#context
    if (data.byteLength > messageBytesMax) {
      metrics.gossipReceived('too_large')
      return TopicValidatorResult.Ignore
    }
    let verdict: GossipVerdict = 'ignore'
    try {
      verdict = validate(data, fromLibp2pPeerId(from))
    } catch (error) {
      logger.error('a validator of gossip failed', { cause: messageOf(error) })
    }
    metrics.gossipReceived(({ accept: 'accepted', ignore: 'ignored', reject: 'rejected' } as const)[verdict])
    if (verdict === 'reject') this.#reputation.offended(from.toString(), clock.monotonic())
    return verdicts[verdict]
  }

  #onMessage({ propagationSource, msg }: GossipsubMessage): void {
    this.#topics.get(msg.topic)?.deliver(msg.data, fromLibp2pPeerId(propagationSource))
  }

  #onAdmitted(peer: PeerId): void {
    if (this.#peers.has(peer)) return
    const { limits, clock, random, metrics } = this.#context
    const member = new GossipPeer({
      peer,
      connections: this.#connections,
      internals: this.#internals,
      handler: this.#registrar.handler,
      topology: this.#registrar.topology,
      limits: limits.gossip,
      clock,
      random,
      metrics,
      onChange: () => this.#updateNeighbours(),
    })
    const leaving = new AbortController()
    this.#peers.set(peer, { member, leave: () => leaving.abort(closedError()) })
    this.#members.set(member.name, member)
    this.#background('gossip peer', (stop) => member.run(AbortSignal.any([stop, leaving.signal])))
  }

  #onPeers(peers: ReadonlySet<PeerId>): void {
    for (const [peer, { member, leave }] of this.#peers) {
      if (peers.has(peer)) continue
      this.#peers.delete(peer)
      this.#members.delete(member.name)
      leave()
      member.dispose()
      this.#updateNeighbours()
    }
  }

  async #onStream(stream: Stream, connection: Connection): Promise<void> {
    const origin = await this.#connections.inboundStreams.originOf(stream, connection, GOSSIP_PROTOCOL)
    if (origin === undefined) return
    const known = this.#peers.get(origin.peer)
    if (known === undefined) stream.abort(new Error('the peer is gone'))
    else known.member.receive(stream, origin)
  }

  #onHeartbeat(): void {
    this.#heartbeats++
    for (const { member } of this.#peers.values()) member.check()
    this.#reputation.prune(this.#context.clock.monotonic())
    if (this.#heartbeats % RESUBSCRIBE_HEARTBEATS === 0) this.#resubscribe()
    this.#updateNeighbours()
  }

  #resubscribe(): void {
    const subscriptions = [...this.#topics.keys()].map((topic) => ({ topic, subscribe: true }))
    if (subscriptions.length === 0) return
    for (const { member } of this.#peers.values()) {
      if (member.isReady)
        this.#internals.sendRpc(member.name, { subscriptions: [...subscriptions], messages: [] })
    }
  }

  #onMeshChange({ peerId, topic }: MeshPeer): void {
    // The event comes before the change for some causes, and without one for others.
    queueMicrotask(() => {
      if (this.#internals.mesh.get(topic)?.has(peerId)) this.#catchUp(peerId, topic)
      this.#updateNeighbours()
    })
  }

  /**
   * Offers a new neighbour the messages of the last seconds. gossipsub forwards to neighbours only, and later offers
   * what it forwarded to all but neighbours: whoever becomes one in between would miss it for good.
   */
  #catchUp(name: string, topic: string): void {
    const all = this.#internals.mcache.getGossipIDs(new Set([topic])).get(topic) ?? []
    const messageIDs = all.slice(0, CATCH_UP_MESSAGES_MAX)
    if (messageIDs.length === 0) return
    const ihave = [{ topicID: topic, messageIDs }]
    const control = { ihave, iwant: [], graft: [], prune: [], idontwant: [] }
    if (this.#internals.sendRpc(name, { subscriptions: [], messages: [], control })) {
      this.#context.metrics.gossipCaughtUp.add()
    }
  }

  #updateNeighbours(): void {
    for (const [name, topic] of this.#topics) {
      const neighbours = [...(this.#internals.mesh.get(name) ?? [])]
        .map((peer) => this.#members.get(peer))
        .filter((member) => member?.isReady === true)
      topic.setNeighbours(new Set(neighbours.map((member) => member!.peer)))
    }
  }

  #countDistrusted(): [{ loses: string }, number][] {
    const losses = [...this.#members.keys()].map((name) => lossOf(this.#internals.score.score(name)))
    return LOSSES.map((loses) => [{ loses }, losses.filter((loss) => loss === loses).length])
  }

  /** Nothing that goes wrong with one peer is a failure of gossip. */
  #background(name: string, run: (signal: AbortSignal) => Promise<void>): void {
    this.#scope.spawn(name, async (signal) => {
      try {
        await run(signal)
      } catch (error) {
        if (!signal.aborted) this.#context.logger.debug(`${name} failed`, { cause: messageOf(error) })
      }
    })
  }
}

const verdicts = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const

function closedError(): MosaikError {
  return new MosaikError('GOSSIP_CLOSED', 'gossip was closed')
}

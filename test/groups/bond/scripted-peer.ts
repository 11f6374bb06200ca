import { Discovery } from '#framework/discovery'
import { Host, Identity, type Link } from '#framework/network'
import { systemRandom, type GroupId, type NetworkId, type PeerId } from '#framework/primitives'
import { DiallerHandshake, AcceptorHandshake } from '../../../framework/groups/bond/handshake.js'
import { readHello } from '../../../framework/groups/bond/handshake-messages.js'
import { bondProtocol, laneProtocol } from '../../../framework/groups/bond/lanes.js'
import { eventually } from '../../support/eventually.js'
import { sharedKey, type TestNode } from './support.js'

/** A hello that the scripted peer has received and that waits for an answer. */
export interface HeldHello {
  readonly link: Link
  readonly accept: (payload?: unknown) => Promise<void>
}

/** A node of the network that speaks bonds by hand. It is announced as a member. */
export class ScriptedPeer implements AsyncDisposable {
  readonly host: Host
  readonly discovery: Discovery
  readonly hellos: HeldHello[] = []
  readonly lanes: Link[] = []
  readonly #group: GroupId
  /** What to do with a hello. Default: hold it. */
  onHello: (hello: HeldHello) => Promise<void> = async () => {}
  readonly #over = Promise.withResolvers<void>()

  private constructor(host: Host, discovery: Discovery, group: GroupId) {
    this.host = host
    this.discovery = discovery
    this.#group = group
  }

  /** @param than Whether its peer id is `smaller` or `larger` than that of the node it will meet. */
  static async start(
    network: NetworkId,
    group: GroupId,
    than: { readonly smaller: PeerId } | { readonly larger: PeerId },
  ): Promise<ScriptedPeer> {
    const fits = (id: PeerId): boolean => ('smaller' in than ? id < than.smaller : id > than.larger)
    let identity = Identity.random(systemRandom)
    while (!fits(identity.peerId)) identity = Identity.random(systemRandom)
    const host = await Host.start({ network, identity, listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] })
    const discovery = await Discovery.start({ host })
    const peer = new ScriptedPeer(host, discovery, group)
    host.handle(bondProtocol, async (link, accept) => {
      const held = { link, accept }
      peer.hellos.push(held)
      await peer.onHello(held)
      // Until the test is over: a handler that returns has refused.
      await Promise.race([link.closed, peer.#over.promise])
    })
    host.handle(laneProtocol, async (link, accept) => {
      peer.lanes.push(link)
      await accept()
    })
    discovery.addGroups(group)
    return peer
  }

  get peerId(): PeerId {
    return this.host.peerId
  }

  /** Has a node hear of this peer, as by gossip. */
  tell(node: TestNode): void {
    node.discovery.feed(this.discovery.signedEntry())
  }

  async meet(node: TestNode): Promise<void> {
    const target = { peer: node.peerId, addresses: node.host.addresses.value }
    await eventually(() => this.discovery.syncWith(target))
  }

  /** Says hello to a node, without waiting for more than its answer. */
  async hello(node: TestNode, changes: Record<string, unknown> = {}) {
    const handshake = new DiallerHandshake({
      proofKey: sharedKey.proofKey,
      group: this.#group,
      self: this.peerId,
      peer: node.peerId,
      nonce: systemRandom.bytes(32),
      incarnation: 'ab'.repeat(8),
      role: 'member',
    })
    const payload = { ...handshake.hello(this.discovery.signedEntry()), ...changes }
    const target = { peer: node.peerId, addresses: node.host.addresses.value }
    const link = await this.host.open(target, bondProtocol, { payload })
    return { link, handshake, terms: handshake.hear(link.acceptPayload) }
  }

  /** Dials a node and makes a bond. */
  async bond(node: TestNode): Promise<{ readonly link: Link; readonly id: string }> {
    const { link, handshake, terms } = await this.hello(node)
    if (typeof terms === 'string') throw new Error(terms)
    await link.send(handshake.finish)
    await link.recv()
    return { link, id: terms.id }
  }

  /** Answers a hello, up to and including the welcome. */
  async accept(hello: HeldHello): Promise<{ readonly id: string }> {
    const terms = await this.believe(hello)
    await hello.link.send({ type: 'welcome' })
    return terms
  }

  /** Answers a hello as far as that this side knows of the bond, and the other does not yet. */
  async believe({ link, accept }: HeldHello): Promise<{ readonly id: string }> {
    const hello = readHello(link.openPayload)
    if (hello === undefined) throw new Error('that is no hello')
    const handshake = new AcceptorHandshake(hello, {
      proofKey: sharedKey.proofKey,
      group: this.#group,
      self: this.peerId,
      peer: link.peer,
      nonce: systemRandom.bytes(32),
      incarnation: 'ab'.repeat(8),
      role: 'member',
    })
    await accept(handshake.challenge(this.discovery.signedEntry()))
    const frame = await link.recv()
    const terms = frame.kind === 'message' ? handshake.hear(frame.value) : 'malformed'
    if (typeof terms === 'string') throw new Error(terms)
    return terms
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.resolve()
    await this.discovery.close()
    await this.host.close()
  }
}

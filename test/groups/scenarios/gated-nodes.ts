import { defaultLimits } from '#framework/network'
import { randomDigest, systemRandom } from '#framework/primitives'
import { eventually } from '../../support/eventually.js'
import { UdpGate } from '../../support/udp-gate.js'
import { GroupNode } from '../group/nodes.js'

/** QUIC that notices soon that nobody is there. */
const limits = {
  quic: { ...defaultLimits.quic, idleTimeoutMs: 600, keepAliveIntervalMs: 150 },
  quicDialTimeoutMs: 500,
}

/** Nodes of a network that can be cut without a word to anybody: every datagram between them goes through a gate. */
export class GatedNodes implements AsyncDisposable {
  readonly nodes: readonly GroupNode[]
  readonly #gates: readonly UdpGate[]

  private constructor(nodes: readonly GroupNode[], gates: readonly UdpGate[]) {
    this.nodes = nodes
    this.#gates = gates
  }

  static async start(count: number): Promise<GatedNodes> {
    const network = randomDigest(systemRandom)
    const nodes = await Promise.all(Array.from({ length: count }, () => GroupNode.start(network, { limits })))
    const gates = await Promise.all(nodes.map(({ host }) => UdpGate.before(host.addresses.value[0]!)))
    nodes.forEach(({ discovery }, place) => {
      discovery.update(() => ({ addresses: [gates[place]!.address] }))
    })
    return new GatedNodes(nodes, gates)
  }

  /** Every node learns of every other one. */
  async discoverAll(): Promise<void> {
    for (const { discovery, peerId } of this.nodes) {
      for (const [place, other] of this.nodes.entries()) {
        if (other.peerId === peerId) continue
        const target = { peer: other.peerId, addresses: [this.#gates[place]!.address] }
        await eventually(() => discovery.syncWith(target))
      }
    }
  }

  /** From now on none of them hears anything of another. */
  cut(): void {
    for (const gate of this.#gates) gate.isOpen = false
  }

  heal(): void {
    for (const gate of this.#gates) gate.isOpen = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()))
    await Promise.all(this.#gates.map((gate) => gate[Symbol.asyncDispose]()))
  }
}

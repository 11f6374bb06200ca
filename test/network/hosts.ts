import { digestOf, type NetworkId } from '#framework/primitives'
import { Host, type HostOptions, type LinkProtocol } from '#framework/network'

export const network: NetworkId = digestOf('tests')
export const otherNetwork: NetworkId = digestOf('others')

/** Ways to listen on this machine, on a port of the system's choice. */
export const listenOn = {
  quic: ['/ip4/127.0.0.1/udp/0/quic-v1'],
  tcp: ['/ip4/127.0.0.1/tcp/0'],
  both: ['/ip4/127.0.0.1/udp/0/quic-v1', '/ip4/127.0.0.1/tcp/0'],
} as const

/** A host on loopback QUIC, where not told otherwise. */
export function startHost(options: Partial<HostOptions> = {}): Promise<Host> {
  return Host.start({
    network,
    listen: listenOn.quic,
    ...options,
    // Handshakes of a machine that is busy with other tests: how long one may take is no part of what is tested.
    limits: { dialTimeoutMs: 15_000, ...options.limits },
  })
}

/** A protocol for tests, of its own each time it is asked for a name. */
export function protocol(name = 'echo', more: Partial<LinkProtocol> = {}): LinkProtocol {
  return { id: `/tests/${name}/1.0`, frameBytesMax: 1024 * 1024, ...more }
}

/** Accepts every link of a protocol and sends back what it receives, until the other side ends it. */
export function echo(host: Host, served: LinkProtocol): () => void {
  return host.handle(served, async (link, accept) => {
    await accept({ echoes: link.openPayload })
    for (;;) {
      const frame = await link.recv()
      if (frame.kind === 'message') await link.send(frame.value)
    }
  })
}

/** How many peers that host is connected to. */
export function peerCount(host: Host): number {
  return host.connections.value.size
}

/** How often a host has turned connections away for that reason. */
export function rejections(host: Host, reason: string): number {
  return host.metrics.value('mosaik_handshakes_rejected_total', { reason }) ?? 0
}

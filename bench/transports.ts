/** What nodes can be connected by: QUIC, or TCP with TLS. */
export const transports = ['quic', 'tls'] as const
export type Transport = (typeof transports)[number]

/** Where a node listens on loopback. */
export const listenOn: Readonly<Record<Transport, string>> = {
  quic: '/ip4/127.0.0.1/udp/0/quic-v1',
  tls: '/ip4/127.0.0.1/tcp/0',
}

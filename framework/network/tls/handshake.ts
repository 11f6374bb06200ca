import type { Socket } from 'node:net'
import { connect, TLSSocket, type SecureContextOptions } from 'node:tls'
import { InvalidCryptoExchangeError } from '@libp2p/interface'
import { MosaikError, nextTurn, raceSignal } from '#framework/primitives'

/** What is offered and chosen by ALPN where the muxer is negotiated later. */
const NO_MUXER = 'libp2p'

const versions = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const
/** Certificates are signed by the peers themselves; what they say is judged by libp2p's rules, not by Node's. */
const trust = { rejectUnauthorized: false } as const

/** Answers the other side's handshake. @param muxers Those that may be chosen by ALPN. */
export function serve(
  socket: Socket,
  certificate: SecureContextOptions,
  muxers: readonly string[],
): TLSSocket {
  return new TLSSocket(socket, {
    ...certificate,
    ...versions,
    ...trust,
    isServer: true,
    requestCert: true,
    // The other side's order counts, as in the rest of libp2p's negotiations.
    ALPNCallback: ({ protocols }) =>
      protocols.find((protocol) => muxers.includes(protocol)) ?? protocols.find((each) => each === NO_MUXER),
  })
}

/** Begins the handshake. @param muxers Those that the other side may choose from by ALPN. */
export function ask(socket: Socket, certificate: SecureContextOptions, muxers: readonly string[]): TLSSocket {
  return connect({ socket, ...certificate, ...versions, ...trust, ALPNProtocols: [...muxers, NO_MUXER] })
}

/**
 * Resolves when both sides have the keys; whose they are is not known yet.
 *
 * @returns The other side's certificate (DER), and the muxer that was chosen by ALPN, if one was.
 * @throws The signal's reason, what TLS complained of, or a {@link MosaikError} `CONNECTION_CLOSED`.
 */
export async function established(
  tls: TLSSocket,
  signal: AbortSignal | undefined,
): Promise<{ readonly certificate: Uint8Array; readonly muxer: string | undefined }> {
  const secure = new Promise<void>((resolve, reject) => {
    tls.once('secure', resolve)
    // Stays: an error that nobody listens to would end the process.
    tls.on('error', reject)
    tls.once('close', () => reject(handshakeClosed()))
  })
  await raceSignal(secure, signal)
  // Node says so from within OpenSSL, and what waits for it runs there. Whoever closed the connection in there would free
  // what OpenSSL goes on with afterwards.
  await nextTurn()
  if (tls.destroyed) throw handshakeClosed()
  const certificate = tls.getPeerCertificate().raw as Uint8Array | undefined
  if (certificate === undefined)
    throw new InvalidCryptoExchangeError('the other side has shown no certificate')
  const chosen = tls.alpnProtocol
  return {
    certificate,
    muxer: chosen === null || chosen === false || chosen === NO_MUXER ? undefined : chosen,
  }
}

export function handshakeClosed(): MosaikError {
  return new MosaikError('CONNECTION_CLOSED', 'the connection was closed while it was being encrypted')
}

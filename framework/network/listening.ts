import type { Listener } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { MosaikError, codeOf, isMosaikError, messageOf } from '#framework/primitives'
import { hostOf, inDialOrder, parseAddress, transportOf } from './addresses.js'
import type { Transports } from './transports.js'

/** How often another port is tried when the one that UDP got is taken for TCP. */
const SAME_PORT_ATTEMPTS = 10

/** The addresses where a node can be reached. */
export interface Listening {
  /**
   * Without the peer, in the order in which they are worth trying. Where it listens on all interfaces, these are the
   * addresses that the interfaces have now.
   */
  readonly addresses: readonly Multiaddr[]
  /** Whether it listens on whatever addresses the interfaces have. */
  readonly isOnAllInterfaces: boolean
  close(): Promise<void>
}

/**
 * Listens on all of the addresses or on none. Where QUIC and TCP are both to pick a port of the same host by
 * themselves, they get the same number, so that one number is enough to tell people and firewalls.
 *
 * @param onLost Called when a listener stops by itself.
 * @throws {MosaikError} `ADDRESS_IN_USE` or `ADDRESS_INVALID`, naming the address.
 */
export async function listenOn(
  transports: Transports,
  addresses: readonly string[],
  onLost: (cause: unknown) => void,
): Promise<Listening> {
  const listeners: Listener[] = []
  const closeAll = async (): Promise<void> => {
    await Promise.all(listeners.splice(0).map((listener) => listener.close()))
  }
  const open = async (address: Multiaddr): Promise<Multiaddr> => {
    const listener = transports.transportFor(address).createListener({ upgrader: transports.upgrader })
    try {
      await listener.listen(address)
    } catch (cause) {
      throw listenError(address, cause)
    }
    listener.addEventListener('error', ({ detail }) => onLost(detail))
    listeners.push(listener)
    return listener.getAddrs()[0] ?? address
  }
  try {
    const [pairs, singles] = pairUp(addresses.map(parseAddress))
    for (const address of singles) await open(address)
    for (const pair of pairs) await openOnSamePort(pair, open, listeners)
  } catch (error) {
    await closeAll()
    throw error
  }
  return {
    get addresses() {
      return inDialOrder(listeners.flatMap((listener) => listener.getAddrs()))
    },
    isOnAllInterfaces: addresses.some((address) => /^\/(ip4\/0\.0\.0\.0|ip6\/::)\//.test(address)),
    close: closeAll,
  }
}

interface Pair {
  readonly quic: Multiaddr
  readonly tcp: Multiaddr
}

/** Finds the addresses of QUIC and TCP that leave the port of the same host open. */
function pairUp(addresses: readonly Multiaddr[]): [pairs: Pair[], singles: Multiaddr[]] {
  const pairs: Pair[] = []
  const singles: Multiaddr[] = []
  const open = addresses.filter((address) => {
    const picks = transportOf(address) !== 'memory' && address.getComponents()[1]?.value === '0'
    if (!picks) singles.push(address)
    return picks
  })
  for (const address of open) {
    const tcp = open.find((other) => transportOf(other) === 'tcp' && hostOf(other) === hostOf(address))
    const quic = open.find((other) => transportOf(other) === 'quic' && hostOf(other) === hostOf(address))
    if (tcp === undefined || quic === undefined) singles.push(address)
    else if (address === quic) pairs.push({ quic, tcp })
  }
  return [pairs, singles]
}

async function openOnSamePort(
  { quic, tcp }: Pair,
  open: (address: Multiaddr) => Promise<Multiaddr>,
  listeners: Listener[],
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const port = (await open(quic)).getComponents()[1]?.value ?? '0'
    try {
      await open(parseAddress(tcp.toString().replace('/tcp/0', `/tcp/${port}`)))
      return
    } catch (error) {
      if (attempt >= SAME_PORT_ATTEMPTS || !isMosaikError(error, 'ADDRESS_IN_USE')) throw error
      await listeners.pop()?.close()
    }
  }
}

function listenError(address: Multiaddr, cause: unknown): MosaikError {
  if (isMosaikError(cause)) return cause
  const details = { address: address.toString() }
  if (codeOf(cause) === 'EADDRINUSE' || /already in use/i.test(messageOf(cause))) {
    return new MosaikError('ADDRESS_IN_USE', `${details.address} is in use`, { cause, details })
  }
  const text = `cannot listen on ${details.address}: ${messageOf(cause)}`
  return new MosaikError('ADDRESS_INVALID', text, { cause, details })
}

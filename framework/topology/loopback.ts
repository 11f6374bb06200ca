// Who can be reached from other machines.
import type { Topology } from './model.js'

/** Whether some node listens where other machines can dial it, as far as is declared. */
export function isOpenToOthers({ nodes, listen }: Topology): boolean {
  return nodes.some(({ listen: own }) =>
    own?.addresses === undefined ? !isLoopback(listen) : !own.addresses.every(isLoopbackAddress),
  )
}

/** Whether a multiaddr is of this machine only. */
export function isLoopbackAddress(address: string): boolean {
  return isLoopback(address.split('/')[2])
}

function isLoopback(host = '127.0.0.1'): boolean {
  return host.startsWith('127.') || host === '::1'
}

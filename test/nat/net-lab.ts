import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** How a router chooses the port that a connection of its site has outside. */
export type NatKind =
  /** The same one for every destination, as long as it is free: the mapping is endpoint-independent (RFC 4787 §4.1). */
  | 'cone'
  /** Another one for every destination. */
  | 'symmetric'

/** Runs a script. Returns what went wrong. */
function failureOf(script: string): string | undefined {
  const { status, stderr, error } = spawnSync('sh', ['-ec', script], { encoding: 'utf8' })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : (stderr.trim().split('\n').at(-1) ?? `status ${status}`)
}

function run(script: string): void {
  const failure = failureOf(script)
  if (failure !== undefined) throw new Error(`${failure}\n${script}`)
}

/** Why no networks can be made here; undefined when they can. */
export function labUnavailable(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const name = `mosaik-${process.pid}-try`
  const rules = 'table ip t { chain c { type nat hook postrouting priority 100; masquerade; }; }'
  return failureOf(
    `ip netns add ${name}; trap 'ip netns del ${name}' EXIT; ip netns exec ${name} nft '${rules}'`,
  )
}

/** Removes what test runs that were killed have left behind. */
function removeLeftovers(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  for (const [name, pid] of stdout.matchAll(/^mosaik-(\d+)-\S+/gm)) {
    if (!existsSync(`/proc/${pid}`)) failureOf(`ip netns del ${name}`)
  }
}

/** All public networks are on the same wire. */
function publicRoutes(namespace: string, device: string): string {
  const networks = '203.0.113.0/24 198.51.100.0/24 192.0.2.0/24'
  return `for net in ${networks}; do ip -n ${namespace} route replace $net dev ${device}; done`
}

/**
 * A small internet in network namespaces of this machine: one segment with public addresses, hosts on it, and sites that
 * are behind a router of their own, which translates addresses. Nothing of it touches the machine's own network.
 */
export class NetLab implements Disposable {
  static #count = 0
  readonly #prefix = `mosaik-${process.pid}-${NetLab.#count++}-`
  readonly #namespaces: string[] = []
  readonly #wire: string
  #plugs = 0

  constructor() {
    removeLeftovers()
    this.#wire = this.#namespace('wire')
    run(`ip -n ${this.#wire} link add name bridge0 type bridge; ip -n ${this.#wire} link set bridge0 up`)
  }

  /** A host on the public segment. @returns Its namespace. */
  host(name: string, ip: string): string {
    const host = this.#namespace(name)
    this.#connect(host, ip)
    return host
  }

  /**
   * A site with one host, 192.168.<n>.2, behind a router with a public address.
   *
   * @param forwarded A port, of UDP and TCP, that the router forwards to the host.
   * @returns The host's namespace.
   */
  site(name: string, n: number, publicIp: string, kind: NatKind, forwarded?: number): string {
    const router = this.#namespace(`${name}-router`)
    const host = this.#namespace(name)
    this.#connect(router, publicIp)
    const inside = `192.168.${n}`
    const forward =
      forwarded === undefined
        ? ''
        : `iifname "wan" meta l4proto { tcp, udp } th dport ${forwarded} dnat to ${inside}.2`
    run(`
      ip link add lan netns ${router} type veth peer name eth0 netns ${host}
      ip -n ${router} addr add ${inside}.1/24 dev lan
      ip -n ${router} link set lan up
      ip -n ${host} addr add ${inside}.2/24 dev eth0
      ip -n ${host} link set eth0 up
      ip -n ${host} route add default via ${inside}.1
      ip netns exec ${router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
      ip netns exec ${router} nft '
        table ip nat {
          chain inwards {
            type nat hook prerouting priority -100
            ${forward}
          }
          chain out {
            type nat hook postrouting priority 100
            oifname "wan" masquerade ${kind === 'symmetric' ? 'fully-random' : ''}
          }
        }
        table ip filter {
          chain in {
            type filter hook input priority 0
            iifname "wan" ct state established,related accept
            iifname "wan" drop
          }
          chain through {
            type filter hook forward priority 0
            iifname "wan" ct state established,related accept
            iifname "wan" ct status dnat accept
            iifname "wan" drop
          }
        }'`)
    return host
  }

  /** Cuts a host on the public segment off, as if its cable was pulled out. */
  unplug(host: string): void {
    run(`ip -n ${host} link set dev eth0 down`)
  }

  /** Puts the cable back. */
  plugIn(host: string): void {
    run(`ip -n ${host} link set dev eth0 up; ${publicRoutes(host, 'eth0')}`)
  }

  /** Drops what comes to a host from that address, as a firewall does. */
  block(host: string, ip: string): void {
    const rule = `type filter hook input priority 0; ip saddr ${ip} drop`
    run(`ip netns exec ${host} nft 'table ip firewall { chain in { ${rule}; }; }'`)
  }

  /** Takes away what {@link block} has set up at that host. */
  unblock(host: string): void {
    run(`ip netns exec ${host} nft 'delete table ip firewall'`)
  }

  [Symbol.dispose](): void {
    for (const namespace of this.#namespaces.splice(0)) failureOf(`ip netns del ${namespace}`)
  }

  #namespace(name: string): string {
    const namespace = `${this.#prefix}${name}`
    run(`ip netns add ${namespace}; ip -n ${namespace} link set lo up`)
    this.#namespaces.push(namespace)
    return namespace
  }

  /** Connects a namespace to the public segment. */
  #connect(namespace: string, ip: string): void {
    const device = namespace.endsWith('-router') ? 'wan' : 'eth0'
    const plug = `p${this.#plugs++}`
    run(`
      ip link add ${device} netns ${namespace} type veth peer name ${plug} netns ${this.#wire}
      ip -n ${this.#wire} link set ${plug} master bridge0
      ip -n ${this.#wire} link set ${plug} up
      ip -n ${namespace} addr add ${ip}/32 dev ${device}
      ip -n ${namespace} link set ${device} up
      ${publicRoutes(namespace, device)}`)
  }
}

// A peer as commands tell of it: one shape for `--json`, and the texts that are made of it.
import type { Host, PeerPath } from '#framework/network'
import { libp2pPeerId } from '#framework/network'
import type { PeerEntry } from '#framework/discovery'
import { printable } from '#manifests'

/** A peer of a network, as plain data. docs/cli.md lists the fields for users. */
export interface PeerReport {
  readonly peer: string
  readonly libp2p: string
  readonly node?: string
  readonly replica?: number
  /** Of the discovery protocol that it speaks. */
  readonly protocol: string
  /** When its process started, in Unix milliseconds by its own clock. */
  readonly startedAt: number
  /** When it last changed what it says, in Unix milliseconds by its own clock. */
  readonly updatedAt: number
  readonly tags: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly produces: readonly string[]
  readonly consumes: readonly string[]
  readonly groups: readonly string[]
  /** Classes of the tickets it carries. */
  readonly tickets: readonly string[]
  readonly serves: readonly string[]
  readonly addresses: readonly string[]
  /** How this process is connected with it; absent for a peer that it only knows of. */
  readonly path?: PeerPath
  /** Smoothed round trip in milliseconds, once measured. */
  readonly rttMs?: number
}

/** What the catalog says of a peer, and what this host knows of it by itself. */
export function peerReport(entry: PeerEntry, host: Pick<Host, 'pathTo' | 'rttMs'>): PeerReport {
  const path = host.pathTo(entry.peer)
  const rttMs = host.rttMs(entry.peer)
  return {
    peer: entry.peer,
    libp2p: libp2pPeerId(entry.peer),
    ...(entry.node !== undefined && { node: entry.node.name, replica: entry.node.replica }),
    protocol: entry.protocol,
    startedAt: entry.version.run,
    updatedAt: entry.version.update,
    tags: entry.tags,
    labels: entry.labels,
    produces: entry.produces.map(({ name }) => name),
    consumes: entry.consumes.map(({ name }) => name),
    groups: entry.groups,
    tickets: entry.tickets.map((ticket) => ticket.class),
    serves: entry.serves,
    addresses: entry.addresses,
    ...(path !== undefined && { path }),
    ...(rttMs !== undefined && { rttMs: rounded(rttMs) }),
  }
}

/** `sensor-0`, or nothing for a peer that was not started from a declaration. */
export function nodeText({ node, replica }: PeerReport): string {
  return node === undefined ? '' : printable(`${node}-${replica ?? 0}`)
}

/** `region=eu zone=eu-1`. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => printable(`${key}=${value}`))
    .join(' ')
}

/** `quic`, `quic (inbound)`; empty for a peer that one is not connected with. */
export function pathText({ path }: PeerReport): string {
  if (path === undefined) return ''
  return path.direction === 'inbound' ? `${path.transport} (inbound)` : path.transport
}

/** `0.42 ms`, `31 ms`; empty for what was not measured. */
export function rttText(rttMs: number | undefined): string {
  if (rttMs === undefined) return ''
  return `${rttMs < 10 ? rttMs.toFixed(2) : Math.round(rttMs)} ms`
}

/** `47 s`, `12 min`, `3 h 20 min`, `12 d 4 h`. A peer whose clock is ahead of ours has just started. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}

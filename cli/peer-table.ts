import { printable } from '#manifests'
import { durationText, labelsText, nodeText, pathText, rttText, type PeerReport } from './peer-report.js'
import { type Column, tableLines } from './table.js'

const columns: readonly Column[] = [
  { title: 'PEER', widthMin: 10, rank: 0 },
  { title: 'NODE', widthMin: 8, rank: 1 },
  { title: 'UP', widthMin: 4, rank: 2 },
  { title: 'RTT', widthMin: 6, rank: 3 },
  { title: 'VIA', widthMin: 4, rank: 4 },
  { title: 'TAGS', widthMin: 6, rank: 5 },
  { title: 'LABELS', widthMin: 8, rank: 8 },
  { title: 'PRODUCES', widthMin: 8, rank: 6 },
  { title: 'CONSUMES', widthMin: 8, rank: 7 },
  { title: 'TICKETS', widthMin: 7, rank: 10 },
  { title: 'ADDRESS', widthMin: 12, rank: 9 },
]

/** As many characters of an id as tell peers apart for a person. */
const shortIdLength = 10

/** The lines of a table of peers, by node and then by peer id. `width` is that of the terminal; undefined: any. */
export function peerTable(reports: readonly PeerReport[], nowMs: number, width?: number): readonly string[] {
  const ordered = reports.toSorted((a, b) => {
    const [first, second] = [sortText(a), sortText(b)]
    return first < second ? -1 : 1
  })
  return tableLines(
    columns,
    ordered.map((report) => cellsOf(report, nowMs)),
    width === undefined || width === 0 ? Infinity : width,
  )
}

/** Replicas in their order, peers without a node last. */
function sortText({ node, replica = 0, peer }: PeerReport): string {
  return `${node ?? '~'} ${String(replica).padStart(6, '0')} ${peer}`
}

function cellsOf(report: PeerReport, nowMs: number): readonly string[] {
  const { peer, startedAt, rttMs, tags, labels, produces, consumes, tickets, addresses } = report
  return [
    peer.slice(0, shortIdLength),
    nodeText(report),
    durationText(nowMs - startedAt),
    rttText(rttMs),
    pathText(report),
    printable(tags.join(' ')),
    labelsText(labels),
    printable(produces.join(' ')),
    printable(consumes.join(' ')),
    tickets.map((id) => id.slice(0, shortIdLength)).join(' '),
    addressText(report.path?.address, addresses),
  ]
}

/** The address in use, else the first one that the peer names, without the peer id, and how many more there are. */
function addressText(used: string | undefined, addresses: readonly string[]): string {
  const first = addresses[0]?.replace(/\/p2p\/[^/]*$/, '')
  const shown =
    addresses.find((address) => used !== undefined && address.startsWith(used)) === undefined ? first : used
  if (shown === undefined) return ''
  return printable(addresses.length > 1 ? `${shown} +${addresses.length - 1}` : shown)
}

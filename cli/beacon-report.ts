// What a beacon says: lines for a person, or one JSON object a line. Both go to stdout; the log goes to stderr.
import { BoundedWriter } from './supervisor/bounded-writer.js'
import { styled } from './output.js'
import { durationText, labelsText, nodeText, pathText, type PeerReport } from './peer-report.js'
import { printable } from '#manifests'

export type BeaconEvent =
  | {
      readonly event: 'started'
      /** Name of the network. */
      readonly network: string
      readonly networkId: string
      /** Whether a secret is needed to get in. */
      readonly closed: boolean
      readonly peer: string
      readonly libp2p: string
      readonly tags: readonly string[]
      readonly labels: Readonly<Record<string, string>>
      readonly mdns: boolean
      readonly dht: boolean
      /** Whether it relays between peers that cannot reach each other. */
      readonly relay: boolean
      /** Where its metrics are served. */
      readonly metrics?: string
      readonly addresses: readonly string[]
    }
  /** Others are told other addresses than before. */
  | { readonly event: 'addresses'; readonly addresses: readonly string[] }
  | ({ readonly event: 'peer-joined' } & PeerReport)
  | { readonly event: 'peer-left'; readonly peer: string; readonly cause: string }
  | {
      readonly event: 'status'
      /** In the catalog. */
      readonly peers: number
      /** Peers that are connected. */
      readonly connections: number
      readonly uptimeMs: number
    }
  | { readonly event: 'stopping'; readonly reason: string }
  | { readonly event: 'stopped'; readonly uptimeMs: number }

export interface BeaconReporter {
  report(event: BeaconEvent): void
}

/** One JSON object a line. `at` is Unix milliseconds. */
export class JsonBeaconReporter implements BeaconReporter {
  readonly #writer = new BoundedWriter(process.stdout)
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  report(event: BeaconEvent): void {
    this.#writer.writeLine(this.#line(event), (count) => this.#line({ event: 'dropped', count }))
  }

  #line({ event, ...rest }: BeaconEvent | { readonly event: 'dropped'; readonly count: number }): string {
    return JSON.stringify({ event, at: this.#now(), ...rest })
  }
}

/** Lines for a person. */
export class TextBeaconReporter implements BeaconReporter {
  readonly #writer = new BoundedWriter(process.stdout)

  report(event: BeaconEvent): void {
    for (const line of linesOf(event))
      this.#writer.writeLine(line, (count) => `(${count} lines dropped: output is not being read)`)
  }
}

function linesOf(event: BeaconEvent): readonly string[] {
  switch (event.event) {
    case 'started':
      return [
        fact('network', `${printable(event.network)}  ${styled('dim', event.networkId)}`),
        ...(event.closed ? [fact('', 'closed: peers need the secret')] : []),
        fact('peer', event.peer),
        fact('', event.libp2p),
        ...(event.tags.length > 0 ? [fact('tags', printable(event.tags.join(' ')))] : []),
        ...(Object.keys(event.labels).length > 0 ? [fact('labels', labelsText(event.labels))] : []),
        fact('mdns', onOrOff(event.mdns)),
        fact('dht', onOrOff(event.dht)),
        fact('relay', event.relay ? 'on' : 'disabled'),
        ...(event.metrics === undefined ? [] : [fact('metrics', event.metrics)]),
        ...addressLines(event.addresses),
        styled('dim', 'Ctrl-C stops in order.'),
      ]
    case 'addresses':
      return addressLines(event.addresses)
    case 'peer-joined': {
      const parts = [nodeText(event), printable(event.tags.join(' ')), pathText(event)]
      return [`${styled('green', '+')} ${event.peer}  ${parts.filter((part) => part !== '').join('  ')}`]
    }
    case 'peer-left':
      return [`${styled('yellow', '-')} ${event.peer}  ${event.cause}`]
    case 'status': {
      const { peers, connections, uptimeMs } = event
      return [styled('dim', `${peers} peers, ${connections} connected, up ${durationText(uptimeMs)}`)]
    }
    case 'stopping':
      return [styled('dim', `${event.reason}: saying goodbye`)]
    case 'stopped':
      return [styled('green', `stopped after ${durationText(event.uptimeMs)}`)]
  }
}

function addressLines(addresses: readonly string[]): string[] {
  if (addresses.length === 0) return [fact('address', 'none: nobody can connect to this beacon')]
  return addresses.map((address, index) => fact(index === 0 ? 'address' : '', address))
}

function onOrOff(isOn: boolean): string {
  return isOn ? 'on' : 'off'
}

const nameWidth = 9

function fact(name: string, text: string): string {
  return `${styled('dim', name.padEnd(nameWidth))}${text}`
}

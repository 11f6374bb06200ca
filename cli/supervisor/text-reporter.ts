// A run for a person: log lines that scroll, each with its node's name in a colour of its own, and below them what nodes
// want to keep in sight (`context.display`), which stays in place on a terminal.
import { stripVTControlCharacters } from 'node:util'
import { createLogUpdate } from 'log-update'
import type { LogLevel } from '../log-level.js'
import { type Style, styled } from '../output.js'
import { BoundedWriter } from './bounded-writer.js'
import type { Reporter, UpEvent } from './events.js'
import { replicaName } from './messages.js'

const nodeColours = ['cyan', 'magenta', 'green', 'yellow', 'blue', 'red'] as const satisfies readonly Style[]
const levelStyles: Readonly<Record<LogLevel, Style>> = {
  debug: 'gray',
  info: 'reset',
  warn: 'yellow',
  error: 'red',
}

/** Where output is no terminal, a display that changes every second would bury the log: it is printed this often. */
const plainDisplayIntervalMs = 5_000

export class TextReporter implements Reporter {
  readonly #width: number
  readonly #colours = new Map<string, Style>()
  readonly #writer = new BoundedWriter(process.stdout)
  // A terminal that does not know how wide it is (some pseudo terminals) cannot keep lines in place either.
  readonly #screen =
    process.stdout.isTTY && process.stdout.columns > 0 ? createLogUpdate(process.stdout) : undefined
  readonly #displays = new Map<string, string>()
  readonly #displayedAt = new Map<string, number>()
  readonly #now: () => number
  #stopping = false

  /** `replicas` sets the width of the name column; `now` is a monotonic clock in milliseconds. */
  constructor(replicas: readonly string[], now: () => number) {
    this.#now = now
    this.#width = Math.max(6, ...replicas.map((name) => name.length))
    replicas.forEach((name, index) =>
      this.#colours.set(name, nodeColours[index % nodeColours.length] ?? 'reset'),
    )
  }

  report(event: UpEvent): void {
    switch (event.event) {
      case 'node-started':
        if (event.restartCount > 0)
          this.#ofNode(event, styled('gray', `started again (restart ${event.restartCount})`))
        return
      case 'node-ready':
        return this.#ofNode(
          event,
          styled('gray', `ready as ${event.peerId.slice(0, 10)} on ${shortAddresses(event.addresses)}`),
        )
      case 'edge-up':
        return this.#ofRun(styled('gray', `${event.from} → ${event.to}  ${event.stream}`))
      case 'edge-down':
        // While everything is being ended it is no news that edges go down.
        if (this.#stopping) return
        return this.#ofRun(styled('yellow', `${event.from} ⇢ ${event.to}  ${event.stream} is down`))
      case 'group-leader': {
        const voters = event.voters === 1 ? '1 voter' : `${event.voters} voters`
        return this.#ofNode(
          event,
          styled('gray', `leads group ${event.group} in term ${event.term}, with ${voters}`),
        )
      }
      case 'converged':
        return this.#ofRun(
          styled(
            'green',
            `converged: all ${event.edges} edges are up after ${(event.ms / 1000).toFixed(2)} s`,
          ),
        )
      case 'node-exit':
        return this.#onExit(event)
      case 'log':
        return this.#ofNode(event, styled(levelStyles[event.level], logText(event)))
      case 'display':
        return this.#display(replicaName(event.node, event.replica), event.text)
      case 'stopping':
        this.#stopping = true
        return this.#ofRun(styled('gray', `${event.reason}: saying goodbye`))
      case 'stopped':
        return this.#onStopped(event)
    }
  }

  close(): void {
    this.#screen?.done()
  }

  #onExit(event: Extract<UpEvent, { event: 'node-exit' }>): void {
    const how = event.signal === null ? `exited with code ${event.code}` : `was ended by ${event.signal}`
    const then = event.restartInMs === undefined ? '' : `, starts again in ${event.restartInMs} ms`
    this.#displays.delete(replicaName(event.node, event.replica))
    this.#ofNode(event, styled(event.restartInMs === undefined ? 'gray' : 'yellow', how + then))
  }

  #onStopped(event: Extract<UpEvent, { event: 'stopped' }>): void {
    for (const line of event.lastLines ?? []) this.#print(`  ${line}`)
    this.#ofRun(styled(event.exitCode === 0 ? 'green' : 'red', `stopped: ${event.reason}`))
  }

  #ofNode(event: { readonly node: string; readonly replica: number }, text: string): void {
    const name = replicaName(event.node, event.replica)
    const prefix = styled(this.#colours.get(name) ?? 'reset', name.padEnd(this.#width))
    for (const line of text.split('\n')) this.#print(`${prefix} │ ${line}`)
  }

  #ofRun(text: string): void {
    this.#print(`${styled('bold', 'mosaik'.padEnd(this.#width))} │ ${text}`)
  }

  #print(line: string): void {
    if (this.#screen === undefined) {
      this.#writer.writeLine(line, (count) => `(${count} lines dropped: output is not being read)`)
    } else {
      this.#screen.persist(line)
      this.#redraw()
    }
  }

  #display(name: string, text: string): void {
    const plain = stripVTControlCharacters(text)
    if (this.#screen !== undefined) {
      this.#displays.set(name, plain)
      this.#redraw()
      return
    }
    const last = this.#displayedAt.get(name)
    if (last !== undefined && this.#now() - last < plainDisplayIntervalMs) return
    this.#displayedAt.set(name, this.#now())
    const dash = name.lastIndexOf('-')
    this.#ofNode({ node: name.slice(0, dash), replica: Number(name.slice(dash + 1)) }, plain)
  }

  #redraw(): void {
    if (this.#displays.size === 0) return
    const width = process.stdout.columns
    const panels = [...this.#displays].map(([name, text]) => {
      const title = styled(
        'dim',
        `── ${name} ${'─'.repeat(Math.max(0, Math.min(width, 100) - name.length - 4))}`,
      )
      return [title, ...text.split('\n').map((line) => line.slice(0, width))].join('\n')
    })
    this.#screen?.(panels.join('\n'))
  }
}

function logText({ message, fields }: Extract<UpEvent, { event: 'log' }>): string {
  const extra = Object.entries(fields ?? {}).map(([key, value]) =>
    styled('dim', `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
  )
  return [stripVTControlCharacters(message), ...extra].join('  ')
}

/** `/ip4/127.0.0.1/udp/4001/quic-v1/p2p/12D3…` without the peer id that the same line names already. */
function shortAddresses(addresses: readonly string[]): string {
  return addresses.map((address) => address.replace(/\/p2p\/.*/, '')).join(', ')
}

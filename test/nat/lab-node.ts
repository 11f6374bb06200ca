import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { within } from '../support/eventually.js'
import type { HostOptions, Reachability, TransportKind } from '#framework/network'

/** What a node of a lab says of itself. */
export interface LabNodeInfo {
  readonly peer: string
  readonly addresses: readonly string[]
  readonly reachability: Reachability
}

export interface LabNodeOptions extends Pick<HostOptions, 'relay'> {
  /** Default 4001. */
  readonly port?: number
  /** Where its discovery starts from; without, it has none. */
  readonly seeds?: readonly string[]
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

const SCRIPT = fileURLToPath(new URL('./node.mjs', import.meta.url))
/** Longer than anything that a node waits for by itself. */
const ANSWER_MS = 12_000

/** A process of ours in a network namespace. It is killed when it goes out of scope. */
export class LabNode implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #ready = Promise.withResolvers<{ peer: string; addresses: string[] }>()
  readonly peer: string = ''
  #lastId = 0
  #errors = ''

  private constructor(namespace: string, options: object) {
    const { NODE_OPTIONS: _, ...env } = process.env
    const args = ['netns', 'exec', namespace, process.execPath, SCRIPT, JSON.stringify(options)]
    this.#process = spawn('ip', args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#process.stderr!.on('data', (text: Buffer) => {
      this.#errors += text.toString()
      if (env.LAB_LOG !== undefined) process.stderr.write(text)
    })
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#onLine(line))
    this.#process.on('exit', () => this.#onExit())
    // Nobody asks a node that never came to be ready.
    this.#ready.promise.catch(() => {})
  }

  /** Starts a host in that namespace, on all of its interfaces. Ready when it listens. */
  static async start(namespace: string, { port = 4001, ...options }: LabNodeOptions = {}): Promise<LabNode> {
    const listen = [`/ip4/0.0.0.0/udp/${port}/quic-v1`, `/ip4/0.0.0.0/tcp/${port}`]
    const node = new LabNode(namespace, { name: namespace, listen, ...options })
    const { peer } = await within(ANSWER_MS, node.#ready.promise)
    return Object.assign(node, { peer })
  }

  info(): Promise<LabNodeInfo> {
    return this.ask('info')
  }

  connect(target: { peer?: string; addresses?: readonly string[] }): Promise<string> {
    return this.ask('connect', target)
  }

  async path(peer: string): Promise<TransportKind | undefined> {
    return (await this.ask<{ transport: TransportKind } | null>('path', { peer }))?.transport
  }

  echo(peer: string, text: string): Promise<{ value: string; transport: TransportKind }> {
    return this.ask('echo', { peer, text })
  }

  async ask<T>(action: string, args: object = {}): Promise<T> {
    const id = ++this.#lastId
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#process.stdin!.write(`${JSON.stringify({ id, action, args })}\n`)
    return (await within(ANSWER_MS, answer)) as T
  }

  /** As if its machine had lost its power: nothing is said to anybody. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  #onLine(line: string): void {
    const { id, value, error, ...first } = JSON.parse(line)
    if (id === undefined) {
      this.#ready.resolve(first)
      return
    }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(new Error(error))
  }

  #onExit(): void {
    const error = new Error(`the node has ended: ${this.#errors}`)
    this.#ready.reject(error)
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

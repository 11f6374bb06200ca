// A process of nodes, from the side of the benchmark that started it.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inTime } from './benchmark.ts'
import type { FromPeer, PeerOrder, ToPeer } from './peer-messages.ts'

type Answer<T extends FromPeer['type']> = Extract<FromPeer, { type: T }>

export interface PeerProcessOptions {
  /** For Node, such as `--cpu-prof`. */
  readonly execArgv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export class PeerProcess implements AsyncDisposable {
  /** When it was spawned, on the wall clock in milliseconds. */
  readonly spawnedAt = performance.timeOrigin + performance.now()
  readonly #child: ChildProcess
  readonly #heard: FromPeer[] = []
  #onMessage = (): void => {}

  constructor(order: PeerOrder, { execArgv = [], env = {} }: PeerProcessOptions = {}) {
    const entry = fileURLToPath(new URL('./network-peer.mjs', import.meta.url))
    this.#child = fork(entry, [], { execArgv: [...execArgv], env: { ...process.env, ...env } })
    this.#child.on('message', (message: FromPeer) => {
      this.#heard.push(message)
      this.#onMessage()
    })
    this.#tell({ type: 'start', order })
  }

  listening(timeoutMs: number): Promise<Answer<'listening'>> {
    return this.#hear((message) => message.type === 'listening', timeoutMs) as Promise<Answer<'listening'>>
  }

  /** When its nodes know so many others, themselves included. */
  complete(total: number, timeoutMs: number): Promise<Answer<'complete'>> {
    const isIt = (message: FromPeer): boolean => message.type === 'complete' && message.total === total
    return this.#hear(isIt, timeoutMs) as Promise<Answer<'complete'>>
  }

  async observe(seconds: number): Promise<Answer<'observed'>> {
    this.#tell({ type: 'observe', seconds })
    return (await this.#hear(({ type }) => type === 'observed', 1_000 * (seconds + 30))) as Answer<'observed'>
  }

  /** Ends it without a goodbye. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }

  /** The message that fits, now or later. One at a time. */
  async #hear(fits: (message: FromPeer) => boolean, timeoutMs: number): Promise<FromPeer> {
    const found = Promise.withResolvers<FromPeer>()
    this.#onMessage = () => {
      const message = this.#heard.find(fits)
      if (message !== undefined) found.resolve(message)
    }
    this.#onMessage()
    const onExit = (): void => found.reject(new Error('a process of the benchmark has ended'))
    this.#child.once('exit', onExit)
    try {
      return await inTime(timeoutMs, 'what a process has to say', found.promise)
    } finally {
      this.#child.off('exit', onExit)
    }
  }

  #tell(message: ToPeer): void {
    this.#child.send(message)
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { FromNode, ToNode } from './messages.js'
import { nodeArguments } from './node-arguments.js'
import { nodeEnvironment } from './node-environment.js'

const entry = fileURLToPath(import.meta.resolve('#node-process'))

/** Output of one node kept for the report of a crash. */
const tailLineCountMax = 20

/** A longer line is cut: a node that writes without line ends must not fill the supervisor's memory. */
const lineLengthMax = 16_384

export interface NodeChildHandlers {
  onMessage(message: FromNode): void
  onLine(line: string, source: 'stdout' | 'stderr'): void
  onExit(code: number | null, signal: NodeJS.Signals | null): void
}

/**
 * One node process: a thin layer over the child, with the last lines it wrote. It begins to load what every node needs as
 * soon as it is made, which can be before anybody knows whether it will be started.
 */
export class NodeChild {
  readonly #child: ChildProcess
  readonly #tail: string[] = []
  #handlers: NodeChildHandlers | undefined
  #exit: Parameters<NodeChildHandlers['onExit']> | undefined

  /** @param processes How many node processes there are to be on this machine, this one included. */
  constructor(processes: number) {
    this.#child = fork(entry, [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
      execArgv: nodeArguments(process.execArgv, process.env),
      env: nodeEnvironment(process.env, { processors: availableParallelism(), processes }),
    })
    this.#child.on('message', (message) => this.#handlers?.onMessage(message as FromNode))
    for (const source of ['stdout', 'stderr'] as const) {
      const stream = this.#child[source]
      if (stream === null) continue
      createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
        const text = line.slice(0, lineLengthMax)
        this.remember(text)
        this.#handlers?.onLine(text, source)
      })
    }
    // A child that ends between two sends makes `send` fail; its exit event says all there is to say about it.
    this.#child.on('error', (error) => this.remember(error.message))
    // 'close' comes after the last line of output, 'exit' may come before it.
    this.#child.on('close', (code, signal) => {
      this.#exit = [code, signal]
      this.#handlers?.onExit(code, signal)
    })
  }

  /** Says who is told what happens from now on; an exit that has happened is told at once. */
  attach(handlers: NodeChildHandlers): void {
    this.#handlers = handlers
    if (this.#exit !== undefined) handlers.onExit(...this.#exit)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get lastLines(): readonly string[] {
    return this.#tail
  }

  remember(line: string): void {
    this.#tail.push(line)
    if (this.#tail.length > tailLineCountMax) this.#tail.shift()
  }

  send(message: ToNode): void {
    if (this.#child.connected) this.#child.send(message)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

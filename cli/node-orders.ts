import { codeOf, messageOf, type Clock } from '#framework/primitives'
import { permanentCodes, type NodeRun } from './node-run.js'
import type { FromNode, StartMessage, ToNode } from './supervisor/messages.js'

/** A node that cannot close in this time is ended by force, so that nothing is left running. */
const CLOSE_TIMEOUT_MS = 10_000

export interface NodeOrdersOptions {
  /** Starts the node. */
  readonly run: (order: StartMessage) => Promise<NodeRun>
  readonly tell: (message: FromNode) => void
  /** Ends the process. */
  readonly exit: (code: number) => void
  readonly clock: Clock
}

/** What the process of a replica does about the orders of its supervisor, which may come at any time. */
export class NodeOrders {
  readonly #options: NodeOrdersOptions
  #run: Promise<NodeRun> | undefined
  #stopping = false

  constructor(options: NodeOrdersOptions) {
    this.#options = options
  }

  take(order: ToNode): void {
    switch (order.type) {
      case 'start':
        void this.#start(order)
        return
      case 'dial':
        void this.#dial(order.addresses)
        return
      case 'stop':
        void this.stop(0)
    }
  }

  /** Closes the node, then ends the process: by force, when the node does not close in ten seconds. Idempotent. */
  async stop(exitCode: number): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    const { exit, clock } = this.#options
    const forced = clock.after(CLOSE_TIMEOUT_MS, () => exit(exitCode === 0 ? 1 : exitCode))
    try {
      await (await this.#run)?.close()
    } catch (error) {
      this.#fail(error)
    }
    forced.cancel()
    exit(exitCode)
  }

  async #start(order: StartMessage): Promise<void> {
    try {
      this.#run = this.#options.run(order)
      const cause = await (await this.#run).closed
      if (this.#stopping) return
      this.#fail(cause ?? new Error('the node closed by itself'))
    } catch (error) {
      if (this.#stopping) return
      this.#fail(error)
    }
    this.#run = undefined
    await this.stop(1)
  }

  async #dial(addresses: readonly string[]): Promise<void> {
    try {
      const node = await this.#run
      if (!this.#stopping) node?.dial(addresses)
    } catch {
      // A node that did not start, or that closes by itself, says so by itself; addresses are nothing to it any more.
    }
  }

  #fail(error: unknown): void {
    const code = codeOf(error)
    this.#options.tell({
      type: 'failed',
      code,
      message: messageOf(error),
      permanent: code !== undefined && permanentCodes.has(code),
    })
  }
}

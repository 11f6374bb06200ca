// The process of one replica, started by `mosaik up`. It takes its orders from the supervisor over the channel between
// the two, and ends with it: a supervisor that is gone must not leave nodes behind.
import { codeOf, messageOf, systemClock } from '#framework/primitives'
import { permanentCodes, runNode, type NodeRun } from './node-run.js'
import type { FromNode, ToNode } from './supervisor/messages.js'

/** A node that cannot close in this time is ended by force, so that nothing is left running. */
const closeTimeoutMs = 10_000

let run: Promise<NodeRun> | undefined
let stopping = false

function tell(message: FromNode): void {
  if (process.connected) process.send?.(message)
}

async function stop(exitCode: number): Promise<void> {
  if (stopping) return
  stopping = true
  const forced = systemClock.after(closeTimeoutMs, () => process.exit(exitCode === 0 ? 1 : exitCode))
  try {
    await (await run)?.close()
  } catch (error) {
    fail(error)
  }
  forced.cancel()
  process.exit(exitCode)
}

function fail(error: unknown): void {
  const code = codeOf(error)
  tell({
    type: 'failed',
    code,
    message: messageOf(error),
    permanent: code !== undefined && permanentCodes.has(code),
  })
}

async function start(message: Extract<ToNode, { type: 'start' }>): Promise<void> {
  try {
    run = runNode(message, tell)
    const cause = await (await run).closed
    if (stopping) return
    fail(cause ?? new Error('the node closed by itself'))
  } catch (error) {
    if (stopping) return
    fail(error)
  }
  run = undefined
  await stop(1)
}

async function dial(addresses: readonly string[]): Promise<void> {
  try {
    const node = await run
    if (!stopping) node?.dial(addresses)
  } catch {
    // A node that did not start, or that closes by itself, says so by itself; addresses are nothing to it any more.
  }
}

process.on('message', (message) => {
  const order = message as ToNode
  switch (order.type) {
    case 'start':
      void start(order)
      return
    case 'dial':
      void dial(order.addresses)
      return
    case 'stop':
      void stop(0)
  }
})
process.on('disconnect', () => void stop(0))

// The terminal sends Ctrl-C to every process in the group. The supervisor decides what it means and says so.
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => undefined)
process.on('SIGTERM', () => void stop(0))

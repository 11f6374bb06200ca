// The process of one replica, started by `mosaik up`. It takes its orders from the supervisor over the channel between
// the two, and ends with it: a supervisor that is gone must not leave nodes behind.
import { systemClock } from '#framework/primitives'
import { NodeOrders } from './node-orders.js'
import { runNode } from './node-run.js'
import type { FromNode, ToNode } from './supervisor/messages.js'

function tell(message: FromNode): void {
  if (process.connected) process.send?.(message)
}

const orders = new NodeOrders({
  run: (order) => runNode(order, tell),
  tell,
  exit: (code) => process.exit(code),
  clock: systemClock,
})

process.on('message', (message) => orders.take(message as ToNode))
process.on('disconnect', () => void orders.stop(0))

// The terminal sends Ctrl-C to every process in the group. The supervisor decides what it means and says so.
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => undefined)
process.on('SIGTERM', () => void orders.stop(0))

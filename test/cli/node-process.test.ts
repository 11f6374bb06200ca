import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from '@jest/globals'
import type { FromNode, ToNode } from '../../cli/supervisor/messages.js'
import { within } from '../support/eventually.js'
import { repository } from '../support/mosaik-process.js'
import { dial, start, stop } from './node-order.js'

/** Runs the process of a replica to its end, on these orders. */
async function nodeProcess(orders: readonly ToNode[]) {
  await using stack = new AsyncDisposableStack()
  const child = fork(join(repository, 'dist/cli/node-process.js'), { execArgv: [], silent: true })
  stack.defer(() => void child.kill('SIGKILL'))
  const said: FromNode[] = []
  child.on('message', (message: FromNode) => said.push(message))
  for (const order of orders) child.send(order)
  const ended = Promise.all([once(child, 'exit'), text(child.stderr!)])
  const [[code], stderr] = await within(20_000, ended)
  return { code: code as number | null, stderr, said: said.map(({ type }) => type) }
}

test('given a node that is to stop before it has started, then it ends in order', async () => {
  const { code, stderr, said } = await nodeProcess([start, dial, stop, dial])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(said).not.toContain('failed')
})

test('given a node that cannot start, then it says so once, whatever else it is told', async () => {
  const { code, stderr, said } = await nodeProcess([{ ...start, node: 'nobody' }, dial])
  expect({ code, stderr, said }).toEqual({ code: 1, stderr: '', said: ['failed'] })
})

import { expect, test } from '@jest/globals'
import { ManualClock, MosaikError, nextTurn } from '#framework/primitives'
import { NodeOrders } from '../../cli/node-orders.js'
import type { NodeRun } from '../../cli/node-run.js'
import type { FromNode } from '../../cli/supervisor/messages.js'
import { dial, start, stop } from './node-order.js'

/** Orders to a node of which the test says when it has started, closes and is closed. */
function ordersOf() {
  const started = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<unknown>()
  const did: string[] = []
  const told: FromNode[] = []
  const clock = new ManualClock(0)
  let isClosing = false
  const node: NodeRun = {
    closed: closed.promise,
    dial: () => {
      if (isClosing) throw new MosaikError('DISCOVERY_CLOSED', 'discovery is closed')
      did.push('dialled')
    },
    close: async () => {
      isClosing = true
      await closed.promise
    },
  }
  const orders = new NodeOrders({
    run: () => started.promise.then(() => node),
    tell: (message) => void told.push(message),
    exit: (code) => void did.push(`ended with ${code}`),
    clock,
  })
  return { orders, started, closed, did, told, clock }
}

test('given addresses before the node has started, then they are dialled when it has', async () => {
  const { orders, started, did } = ordersOf()
  orders.take(start)
  orders.take(dial)
  await nextTurn()
  expect(did).toEqual([])
  started.resolve()
  await nextTurn()
  expect(did).toEqual(['dialled'])
})

test('given addresses that arrive while the node closes, then it ends in order all the same', async () => {
  const { orders, started, closed, did, told } = ordersOf()
  orders.take(start)
  started.resolve()
  await nextTurn()
  orders.take(stop)
  await nextTurn()
  orders.take(dial)
  await nextTurn()
  closed.resolve(undefined)
  await nextTurn()
  expect([did, told]).toEqual([['ended with 0'], []])
})

test('given a node that closes by itself while addresses arrive, then only why it closed is told', async () => {
  const { orders, started, closed, did, told } = ordersOf()
  orders.take(start)
  started.resolve()
  await nextTurn()
  closed.resolve(new MosaikError('ADDRESS_IN_USE', 'somebody listens there'))
  orders.take(dial)
  await nextTurn()
  expect(told).toMatchObject([{ type: 'failed', code: 'ADDRESS_IN_USE', permanent: true }])
  expect(did.at(-1)).toBe('ended with 1')
})

test('given a node that does not close, then it is ended by force', async () => {
  const { orders, started, did, clock } = ordersOf()
  orders.take(start)
  started.resolve()
  await nextTurn()
  orders.take(stop)
  await nextTurn()
  clock.advance(10_000)
  expect(did).toEqual(['ended with 1'])
})

test('given that it is to stop twice, then it ends once', async () => {
  const { orders, started, closed, did } = ordersOf()
  orders.take(start)
  started.resolve()
  closed.resolve(undefined)
  await nextTurn()
  const ends = did.length
  orders.take(stop)
  orders.take(stop)
  await nextTurn()
  expect(did).toHaveLength(ends)
})

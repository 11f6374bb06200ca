// A client of etcd: what groups-peer.ts does, through etcd3.
import { setTimeout as sleep } from 'node:timers/promises'
import { Etcd3 } from 'etcd3'
import { answerCalls } from './calls.ts'
import { callsPerSecond, eachMs, type Load } from './load.ts'

export interface EtcdPeer extends Load {
  /** Where the nodes are. */
  connect(urls: readonly string[]): Promise<void>
}

const key = 'bench'
/** On a busy machine etcd may elect another leader, and fail the calls that it has; ours are submitted again as well. */
const attemptsMax = 20
const againAfterMs = 250

let nodes: readonly Etcd3[] = []
let leader: Promise<Etcd3> | undefined

const peer: EtcdPeer = {
  async connect(urls) {
    nodes = urls.map((hosts) => new Etcd3({ hosts }))
    await ask((etcd) => etcd.put(key).value('').exec())
  },

  write: (order) => {
    const value = valueOf(order.bytes)
    return callsPerSecond(order, () => ask((etcd) => etcd.put(key).value(value).exec()))
  },

  async writeBatches(order) {
    const value = valueOf(order.bytes)
    // No key may come twice in a transaction.
    const puts = Array.from({ length: order.batch }, (_, n) => ({
      request_put: { key: Buffer.from(`${key}/${n}`), value },
    }))
    const batches = await callsPerSecond(order, () => ask((etcd) => etcd.kv.txn({ success: puts })))
    return order.batch * batches
  },

  writeEach: (order) => {
    const value = valueOf(order.bytes)
    return eachMs(order, () => ask((etcd) => etcd.put(key).value(value).exec()))
  },

  // Linearizable, as etcd reads unless it is told otherwise.
  read: (order) => callsPerSecond(order, () => ask((etcd) => etcd.get(key).buffer())),

  readEach: (order) => eachMs(order, () => ask((etcd) => etcd.get(key).buffer())),
}

/** Calls the node that leads, which spares each call a way. */
async function ask<T>(call: (etcd: Etcd3) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const asked = (leader ??= findLeader())
    try {
      return await call(await asked)
    } catch (error) {
      if (attempt === attemptsMax) throw error
      if (leader === asked) leader = undefined
      await sleep(againAfterMs)
    }
  }
}

async function findLeader(): Promise<Etcd3> {
  for (const node of nodes) {
    const status = await node.maintenance.status()
    if (status.leader === status.header.member_id) return node
  }
  throw new Error('no node of etcd leads')
}

function valueOf(bytes: number): Buffer {
  return Buffer.alloc(bytes, 1)
}

answerCalls(peer)

// A client of etcd: what groups-peer.ts does, through etcd3.
import { Etcd3 } from 'etcd3'
import { answerCalls } from './calls.ts'
import { callsPerSecond, eachMs, type Load } from './load.ts'

export interface EtcdPeer extends Load {
  /** Where the nodes are. */
  connect(urls: readonly string[]): Promise<void>
}

const key = 'bench'
let nodes: readonly Etcd3[] = []

const peer: EtcdPeer = {
  async connect(urls) {
    nodes = urls.map((hosts) => new Etcd3({ hosts }))
    const etcd = await leader()
    await etcd.put(key).value('')
  },

  async write(order) {
    const etcd = await leader()
    const value = valueOf(order.bytes)
    return callsPerSecond(order, () => etcd.put(key).value(value).exec())
  },

  async writeBatches(order) {
    const etcd = await leader()
    const value = valueOf(order.bytes)
    // No key may come twice in a transaction.
    const puts = Array.from({ length: order.batch }, (_, n) => ({
      request_put: { key: Buffer.from(`${key}/${n}`), value },
    }))
    return order.batch * (await callsPerSecond(order, () => etcd.kv.txn({ success: puts })))
  },

  async writeEach(order) {
    const etcd = await leader()
    const value = valueOf(order.bytes)
    return eachMs(order, () => etcd.put(key).value(value).exec())
  },

  // Linearizable, as etcd reads unless it is told otherwise.
  async read(order) {
    const etcd = await leader()
    return callsPerSecond(order, () => etcd.get(key).buffer())
  },

  async readEach(order) {
    const etcd = await leader()
    return eachMs(order, () => etcd.get(key).buffer())
  },
}

/** To ask the node that leads spares each call a way. */
async function leader(): Promise<Etcd3> {
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

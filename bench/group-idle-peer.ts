// A node with many groups in which nothing happens.
import type { PeerId } from '#framework/primitives'
import { answerCalls } from './calls.ts'
import { groupKey, groupNode, Register, type GroupNode, type RegisterGroup } from './group-node.ts'

let node: GroupNode | undefined
let joined: readonly RegisterGroup[] = []

const peer = {
  async start(addresses: readonly string[]): Promise<{ addresses: readonly string[]; peer: PeerId }> {
    node = await groupNode({ addresses })
    return { addresses: node.host.addresses.value, peer: node.host.peerId }
  },

  /** Joins so many groups with these founders, and resolves when each has a leader. */
  async join(count: number, founders: readonly PeerId[]): Promise<void> {
    joined = await Promise.all(
      Array.from({ length: count }, (_, n) =>
        node!.groups.join({
          key: groupKey(n),
          machine: () => new Register(),
          founding: { type: 'declared', founders },
        }),
      ),
    )
    await Promise.all(joined.map((group) => group.when().online()))
  },

  /** How many of the groups this node leads. */
  ledCount(): number {
    return joined.filter(({ status }) => status.value.role === 'leader').length
  },
}

export type GroupIdlePeer = typeof peer

answerCalls<GroupIdlePeer>(peer)

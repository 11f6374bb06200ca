import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { murmurChain, openLmdbStorages } from '#framework/groups'
import { clusterIdOf, configurationOf, memberIdOf } from '#framework/groups/raft'
import { randomDigest, systemRandom } from '#framework/primitives'
import { encodeConfiguration } from '../../../framework/groups/raft/configuration.js'
import { eventually, within } from '../../support/eventually.js'
import { discoverAll, GroupNode, startNodes } from '../group/nodes.js'
import { allReach, joinDeclared, localValue, outcomeOf, patienceMs } from './support.js'

describe('declared founders', () => {
  test.concurrent(
    'given three of which one has never started, then the others found the group and work, and when it starts it joins the same one',
    async () => {
      await using nodes = await startNodes(3)
      const [first, second, late] = nodes as unknown as [GroupNode, GroupNode, GroupNode]
      const founding = { type: 'declared', founders: nodes.map(({ peerId }) => peerId) } as const
      const early = await Promise.all([first, second].map((node) => node.join({ founding })))
      await discoverAll([first, second])
      for (const group of early) await within(patienceMs, group.when().online())
      for (const group of early) await within(patienceMs, group.execute({ add: 1 }))
      // Who is not there counts: two acknowledgements of three.
      expect(early[0]!.status.value.durability).toMatchObject({ acks: 2, voters: 3 })
      const { clusterId } = early[0]!.status.value

      const joined = await late.join({ founding })
      await discoverAll(nodes)
      await allReach([joined], 2, 2)
      expect(joined.status.value.clusterId).toBe(clusterId)
      await eventually(
        () => {
          const voters = joined.members.value.filter(({ role }) => role === 'voter')
          // Nobody stands for who is not there any more.
          expect(voters.filter(({ peer, isBonded }) => isBonded || peer === late.peerId)).toHaveLength(3)
          expect(voters).toHaveLength(3)
        },
        { timeoutMs: patienceMs },
      )
      await within(patienceMs, joined.execute({ add: 1 }))
      expect(await localValue(joined)).toBe(3)
    },
  )

  test.concurrent(
    'given five of which two see each other and two others do, then none of them founds anything; and when they meet, all found one group',
    async () => {
      await using nodes = await startNodes(5)
      const groups = await joinDeclared(nodes)
      for (const pair of [nodes.slice(0, 2), nodes.slice(2, 4)]) await discoverAll(pair)
      for (const group of groups.slice(0, 4)) await eventually(() => expect(group.bonds.size).toBe(1))
      // Longer than anybody waits for the others.
      const waits = groups.map((group) => outcomeOf(group.execute({ add: 1 }, { deadlineMs: 5_000 })))
      expect(await Promise.all(waits)).toEqual(groups.map(() => 'GROUP_NOT_SUBMITTED'))
      for (const { status } of groups) expect(status.value.clusterId).toBeUndefined()

      await discoverAll(nodes.slice(0, 4))
      for (const group of groups.slice(0, 4))
        await within(patienceMs, group.execute({ add: 1 }, { deadlineMs: patienceMs }))
      expect(new Set(groups.slice(0, 4).map(({ status }) => status.value.clusterId)).size).toBe(1)
    },
  )

  test.concurrent(
    'given a founder with a founding that nobody else remembers, then it forgets it after a while, and all found one group',
    async () => {
      const network = randomDigest(systemRandom)
      const folder = await mkdtemp(join(tmpdir(), 'group-founding-'))
      await using stack = new AsyncDisposableStack()
      stack.defer(() => rm(folder, { recursive: true, force: true }))
      const storage = stack.use(await openLmdbStorages({ folder, random: systemRandom, hasher: murmurChain }))
      const own = stack.use(await GroupNode.start(network, { storage }))
      const others = await Promise.all([GroupNode.start(network), GroupNode.start(network)])
      for (const node of others) stack.use(node)
      const nodes = [own, ...others]
      const founding = { type: 'declared', founders: nodes.map(({ peerId }) => peerId) } as const
      const first = await others[0]!.join({ founding })

      const opened = await storage.open(first.id)
      const former = founding.founders.map((peer) => memberIdOf(peer, opened.restored.incarnation))
      const forgotten = clusterIdOf(former)
      const fields = {
        index: 1,
        term: 1,
        kind: 'configuration',
        commandCount: 0,
        applicationIndex: 0,
        timestampMs: 0,
        payload: encodeConfiguration(configurationOf(former)),
      } as const
      await opened.storage.write({
        hardState: { clusterId: forgotten, term: 1, votedFor: undefined },
        entries: [{ ...fields, hash: murmurChain.next(0, fields) }],
      })
      await opened.storage.close()

      const rest = await Promise.all([own, others[1]!].map((node) => node.join({ founding })))
      const groups = [first, ...rest]
      expect(rest[0]!.status.value.clusterId).toBe(forgotten)
      await discoverAll(nodes)
      for (const group of groups) await within(patienceMs, group.when().voters(3))
      for (const group of groups)
        await within(patienceMs, group.execute({ add: 1 }, { deadlineMs: patienceMs }))
      const [clusterId, ...more] = new Set(groups.map(({ status }) => status.value.clusterId))
      expect(more).toEqual([])
      expect(clusterId).not.toBe(forgotten)
    },
  )
})

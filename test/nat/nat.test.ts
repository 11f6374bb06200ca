import { describe, expect, test } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { LabNode } from './lab-node.js'
import { NetLab, labUnavailable } from './net-lab.js'

const unavailable = labUnavailable()
const lab = unavailable === undefined ? test : test.skip
const suite = unavailable === undefined ? 'behind NATs' : `behind NATs (skipped: ${unavailable})`

const BEACON = '203.0.113.1'

describe(suite, () => {
  lab(
    'given a beacon on the public segment and a node behind a NAT, when they have met, then the node finds out that it cannot be dialled, and a public one that it can',
    async () => {
      using net = new NetLab()
      await using stack = new AsyncDisposableStack()
      const beacon = stack.use(await LabNode.start(net.host('beacon', BEACON), { relay: { serve: true } }))
      const { addresses } = await beacon.info()
      const via = addresses.filter((address) => address.includes(BEACON))
      const hidden = stack.use(
        await LabNode.start(net.site('a', 1, '203.0.113.10', 'cone'), { relay: { via } }),
      )
      const open = stack.use(await LabNode.start(net.host('open', '198.51.100.1')))
      await open.connect({ addresses: via })
      await eventually(async () => expect((await hidden.info()).reachability.status).toBe('private'))
      await eventually(async () => expect((await open.info()).reachability.status).toBe('public'))
      const other = stack.use(await LabNode.start(net.site('b', 2, '203.0.113.20', 'cone')))
      await other.connect({ addresses: via })
      await other.connect({ addresses: (await hidden.info()).addresses })
      console.log(await other.echo(hidden.peer, 'hello'))
    },
  )
})

import { describe, expect, test } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import { echo, protocol, startHost } from './hosts.js'
import type { Host, HostOptions } from '#framework/network'

/** A relay, and a host that can be reached over it. */
async function relayed(stack: AsyncDisposableStack, options: Partial<HostOptions> = {}) {
  const relay = stack.use(await startHost({ relay: { serve: true }, ...options }))
  const hidden = stack.use(await hiddenBehind([relay], options))
  await eventually(() => expect(circuitsOf(hidden)).toHaveLength(1))
  return { relay, hidden, address: circuitsOf(hidden)[0]! }
}

/** A host that listens nowhere itself. */
function hiddenBehind(relays: readonly Host[], options: Partial<HostOptions> = {}): Promise<Host> {
  const via = relays.map(({ addresses }) => addresses.value[0]!)
  return startHost({ listen: [], relay: { via }, ...options })
}

function circuitsOf(host: Host): readonly string[] {
  return host.addresses.value.filter((address) => address.includes('/p2p-circuit/'))
}

describe('a relay', () => {
  test('given a host that listens nowhere and has a place at a relay, when a peer dials the published address, then links run over the relay in both directions', async () => {
    await using stack = new AsyncDisposableStack()
    const { hidden, address } = await relayed(stack)
    const caller = stack.use(await startHost({ listen: [] }))
    const served = protocol()
    echo(hidden, served)
    echo(caller, served)

    const link = await caller.open({ addresses: [address] }, served)
    await link.send('over the relay')
    expect(await link.recv()).toMatchObject({ value: 'over the relay' })
    expect(caller.pathTo(hidden.peerId)?.transport).toBe('relay')

    const back = await hidden.open({ peer: caller.peerId }, served)
    await back.send('and back')
    expect(await back.recv()).toMatchObject({ value: 'and back' })
  })

  test('given a relayed connection, when more is sent than any buffer on the way holds, then all of it arrives in order', async () => {
    await using stack = new AsyncDisposableStack()
    const { hidden, address } = await relayed(stack)
    const caller = stack.use(await startHost({ listen: [] }))
    const served = protocol('bulk')
    const received: number[] = []
    hidden.handle(served, async (link, accept) => {
      await accept()
      for (;;) {
        const frame = await link.recv()
        if (frame.kind === 'message') received.push((frame.value as Uint8Array)[0]!)
      }
    })
    const link = await caller.open({ addresses: [address] }, served)
    for (let i = 0; i < 64; i++) await link.send(new Uint8Array(256 * 1024).fill(i))
    await eventually(() => expect(received).toEqual(Array.from({ length: 64 }, (_, i) => i)))
  })
})

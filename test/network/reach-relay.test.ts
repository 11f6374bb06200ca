import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { Identity, libp2pPeerId, type Host, type HostOptions, type RelayLimits } from '#framework/network'
import { PROBE } from '../../framework/network/reach/probe-protocol.js'
import { PUNCH } from '../../framework/network/reach/punch-protocol.js'
import { HOP_PROTOCOL, STOP_PROTOCOL } from '../../framework/network/relay/relay-messages.js'
import { eventually, within } from '../support/eventually.js'
import { echo, listenOn, network, protocol, startHost } from './hosts.js'
import { Received, startStranger } from './stranger.js'

/** A relay, and a host that can be reached over it alone. */
async function relayed(
  stack: AsyncDisposableStack,
  options: Partial<HostOptions> = {},
  limits: Partial<RelayLimits> = {},
) {
  const relay = stack.use(await startHost({ relay: { serve: limits }, ...options }))
  const hidden = stack.use(await hiddenBehind([relay], options))
  await eventually(() => expect(circuitsOf(hidden)).toHaveLength(1))
  return { relay, hidden, address: circuitsOf(hidden)[0]! }
}

/** A host that listens nowhere itself. */
function hiddenBehind(relays: readonly Host[], options: Partial<HostOptions> = {}): Promise<Host> {
  const via = relays.map(({ addresses }) => addresses.value[0]!)
  return startHost({ ...options, listen: [], relay: { via } })
}

function circuitsOf(host: Host): readonly string[] {
  return host.addresses.value.filter((address) => address.includes('/p2p-circuit/'))
}

describe('a relay', () => {
  test.each([
    ['QUIC', {}],
    ['TCP', { listen: listenOn.tcp }],
    ['QUIC, in a closed network', { secret: 'only members have this one, all 32 of them' }],
  ])(
    'given a relay over %s and a host that has a place there, when a peer dials the published address, then links run over the relay in both directions',
    async (_, options) => {
      await using stack = new AsyncDisposableStack()
      const { hidden, address } = await relayed(stack, options)
      const caller = stack.use(await startHost({ ...options, listen: [] }))
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
    },
  )

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

  test('given direct addresses that lead nowhere and one over a relay, when a peer is dialled, then nobody waits for the direct ones to fail', async () => {
    await using stack = new AsyncDisposableStack()
    const { hidden, address } = await relayed(stack)
    const caller = stack.use(await startHost({ listen: [] }))
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    stack.defer(() => void silent.close())
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const nowhere = Array.from({ length: 3 }, () => `/ip4/127.0.0.1/udp/${port}/quic-v1`)
    // Three times the time of one attempt would be longer than the whole call may take.
    await caller.connect({ peer: hidden.peerId, addresses: [...nowhere, address] }, { timeoutMs: 3_000 })
    expect(caller.pathTo(hidden.peerId)?.transport).toBe('relay')
  })

  test('given a relay that is started again, when the host notices, then it has a place there again', async () => {
    await using stack = new AsyncDisposableStack()
    const identity = Identity.random()
    const first = await startHost({ identity, relay: { serve: true } })
    const listen = first.addresses.value.map((address) => address.replace(/\/p2p\/.*$/, ''))
    const hidden = stack.use(await hiddenBehind([first]))
    await eventually(() => expect(circuitsOf(hidden)).toHaveLength(1))
    await first.close()
    await eventually(() => expect(circuitsOf(hidden)).toHaveLength(0))
    stack.use(await startHost({ identity, listen, relay: { serve: true } }))
    await eventually(() => expect(circuitsOf(hidden)).toHaveLength(1))
  })

  test('given a relay with one place, when a second host asks for one, then it gets none, and both count it', async () => {
    await using stack = new AsyncDisposableStack()
    const { relay } = await relayed(stack, {}, { reservationsMax: 1 })
    const second = stack.use(await hiddenBehind([relay]))
    const refused = { result: 'refused' }
    await eventually(() =>
      expect(second.metrics.value('mosaik_relay_reservation_attempts_total', refused)).toBe(1),
    )
    expect(circuitsOf(second)).toEqual([])
    expect(relay.metrics.value('mosaik_relay_reservations')).toBe(1)
  })

  test('given a relay that carries one connection of a peer, when that peer asks for another one, then it is refused and counted, and the first goes on', async () => {
    await using stack = new AsyncDisposableStack()
    const { relay, hidden, address } = await relayed(stack, {}, { circuitsPerPeerMax: 1 })
    const other = stack.use(await hiddenBehind([relay]))
    await eventually(() => expect(circuitsOf(other)).toHaveLength(1))
    const caller = stack.use(await startHost({ listen: [] }))
    const served = protocol()
    echo(hidden, served)
    const link = await caller.open({ addresses: [address] }, served)
    await expect(caller.connect({ addresses: [circuitsOf(other)[0]!] })).rejects.toMatchObject({
      code: 'DIAL_FAILED',
    })
    expect(relay.metrics.value('mosaik_relay_refused_total', { limit: 'peer' })).toBeGreaterThan(0)
    await link.send('still here')
    expect(await link.recv()).toMatchObject({ value: 'still here' })
  })

  test('given a relay that carries one connection in all, when another peer asks for one, then it is refused and counted', async () => {
    await using stack = new AsyncDisposableStack()
    const { relay, address } = await relayed(stack, {}, { circuitsMax: 1 })
    const first = stack.use(await startHost({ listen: [] }))
    await first.connect({ addresses: [address] })
    const second = stack.use(await startHost({ listen: [] }))
    await expect(second.connect({ addresses: [address] })).rejects.toMatchObject({ code: 'DIAL_FAILED' })
    expect(relay.metrics.value('mosaik_relay_refused_total', { limit: 'circuits' })).toBeGreaterThan(0)
  })

  test('given a relay that carries as much as it may, when a place there has to be renewed, then it is', async () => {
    await using stack = new AsyncDisposableStack()
    const limits = { circuitsMax: 1, circuitsPerPeerMax: 1, reservationMs: 2_000 }
    const { hidden, address } = await relayed(stack, {}, limits)
    const caller = stack.use(await startHost({ listen: [] }))
    await caller.connect({ addresses: [address] })
    const attempts = (result: string): number =>
      hidden.metrics.value('mosaik_relay_reservation_attempts_total', { result }) ?? 0
    await eventually(() => attempts('ok') >= 2)
    expect(attempts('refused') + attempts('failed')).toBe(0)
    expect(circuitsOf(hidden)).toHaveLength(1)
  })

  test.each([
    ['after its time', { circuitMs: 700 }],
    ['after its bytes', { circuitBytesMax: 256 * 1024 }],
  ])(
    'given a relay that ends connections %s, when that comes, then the link ends as lost, and a new one can be opened',
    async (_, limits) => {
      await using stack = new AsyncDisposableStack()
      const { hidden, address } = await relayed(stack, {}, limits)
      const caller = stack.use(await startHost({ listen: [] }))
      const served = protocol()
      echo(hidden, served)
      const link = await caller.open({ addresses: [address] }, served)
      for (let i = 0; i < 8; i++) await link.send(new Uint8Array(32 * 1024)).catch(() => {})
      expect(await within(5_000, link.closed)).toMatchObject({ code: 103 })
      await eventually(() => expect(caller.pathTo(hidden.peerId)).toBeUndefined())
      const next = await caller.open({ addresses: [address] }, served)
      await next.send('again')
      expect(await next.recv()).toMatchObject({ value: 'again' })
    },
  )

  test('given a peer that has no place at a relay, when it is dialled there, then the attempt says what the relay said', async () => {
    await using relay = await startHost({ relay: { serve: true } })
    await using caller = await startHost({ listen: [] })
    const nobody = libp2pPeerId(Identity.random().peerId)
    const address = `${relay.addresses.value[0]!}/p2p-circuit/p2p/${nobody}`
    await expect(caller.connect({ addresses: [address] })).rejects.toMatchObject({
      code: 'DIAL_FAILED',
      message: expect.stringContaining('NO_RESERVATION'),
    })
  })

  test('given a host that closes, then nothing of its relaying is left on the relay', async () => {
    await using stack = new AsyncDisposableStack()
    const { relay, hidden, address } = await relayed(stack)
    const caller = stack.use(await startHost({ listen: [] }))
    await caller.connect({ addresses: [address] })
    expect(relay.metrics.value('mosaik_relay_circuits')).toBe(1)
    await hidden.close()
    await eventually(() => expect(caller.pathTo(hidden.peerId)).toBeUndefined())
    await eventually(() => expect(relay.metrics.value('mosaik_relay_circuits')).toBe(0))
  })
})

describe('a stranger', () => {
  test.each([
    ['a relay', HOP_PROTOCOL],
    ['who can be reached over one', STOP_PROTOCOL],
    ['dialling back', PROBE.id],
    ['punching holes', PUNCH.id],
  ])('that asks %s before it is admitted gets no word', async (_, asked) => {
    const limits = { admissionTimeoutMs: 300 }
    await using relay = await startHost({ relay: { serve: true } })
    await using host = await startHost({ limits, relay: { serve: true, via: relay.addresses.value } })
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    // The reset may overtake the answer to the negotiation, which then fails.
    const stream = await connection
      .newStream(asked, { signal: AbortSignal.timeout(5_000) })
      .catch(() => undefined)
    const received = stream === undefined ? undefined : new Received(stream)
    stream?.send(new Uint8Array([2, 8, 0]))
    await eventually(() => expect(stream?.status).not.toBe('open'))
    expect(received?.bytes ?? []).toHaveLength(0)
  })

  test('that is a member and announces a connection without being a relay of ours is turned away, and counted', async () => {
    await using relay = await startHost({ relay: { serve: true } })
    await using host = await startHost({ relay: { via: relay.addresses.value } })
    await using stranger = await startStranger()
    const connection = await stranger.dial(host)
    await stranger.sayHello(connection, network)
    const stream = await connection.newStream(STOP_PROTOCOL, { signal: AbortSignal.timeout(5_000) })
    const received = new Received(stream)
    await eventually(() => expect(received.outcome).toBeDefined())
    expect(host.metrics.value('mosaik_relayed_connections_total', { result: 'refused' })).toBe(1)
  })

  test('that is a member and talks nonsense to a relay is cut off, and the relay serves others', async () => {
    await using stack = new AsyncDisposableStack()
    const { relay, address } = await relayed(stack)
    const stranger = stack.use(await startStranger())
    const connection = await stranger.dial(relay)
    await stranger.sayHello(connection, network)
    for (const nonsense of [[2, 8, 9], []]) {
      const stream = await connection.newStream(HOP_PROTOCOL, { signal: AbortSignal.timeout(5_000) })
      const received = new Received(stream)
      stream.send(new Uint8Array(nonsense))
      if (nonsense.length === 0) stream.abort(new Error('gone'))
      await eventually(() => expect(received.outcome).toBeDefined())
    }
    const caller = stack.use(await startHost({ listen: [] }))
    await caller.connect({ addresses: [address] })
    await eventually(() => expect(relay.metrics.value('mosaik_relay_circuits')).toBe(1))
  })

  test.each([
    ['on this machine', ['/ip4/127.0.0.1/tcp/22']],
    ['where it is not seen', ['/ip4/192.0.2.1/tcp/22']],
    ['that are none', ['nonsense']],
    ['over a relay', [`/ip4/127.0.0.1/tcp/1/p2p/${libp2pPeerId(Identity.random().peerId)}/p2p-circuit`]],
  ])('that is a member and asks to be dialled back at addresses %s is refused', async (_, addresses) => {
    await using host = await startHost()
    await using member = await startHost()
    await expect(
      member.open({ addresses: host.addresses.value }, PROBE, { payload: { addresses } }),
    ).rejects.toMatchObject({ reason: { code: 10_403 } })
    expect(host.metrics.value('mosaik_reachability_probes_served_total', { result: 'refused' })).toBe(1)
  })

  test('that is a member and wants to punch where nothing is relayed is refused', async () => {
    await using host = await startHost()
    await using member = await startHost()
    await expect(
      member.open({ addresses: host.addresses.value }, PUNCH, { payload: { addresses: [] } }),
    ).rejects.toMatchObject({ reason: { code: 10_403 } })
  })
})

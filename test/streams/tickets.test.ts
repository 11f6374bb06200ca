import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { isExpired, validateTicket, type PeerInfo } from '#framework/discovery'
import { ManualClock } from '#framework/primitives'
import {
  stream,
  type Consumer,
  type ConsumerOptions,
  type Producer,
  type ProducerOptions,
} from '#framework/streams'
import { eventually, within } from '../support/eventually.js'
import {
  connectedTo,
  discoverAll,
  feed,
  refusedBy,
  startNodes,
  statusWith,
  take,
  type TestNode,
} from './support.js'
import { TestIssuer } from './tickets.js'

const Data1 = stream('tickets.data1', z.object({ text: z.string() }))
type Data1 = z.output<typeof Data1.schema>

type Role = 'producer' | 'consumer'
type Options = Pick<ProducerOptions & ConsumerOptions, 'requireTicket' | 'require'>

const timeFactor = Number(process.env.TIME_FACTOR ?? 1)
const hour = 3_600_000

function open(role: Role, node: TestNode, options: Options = {}): Producer<Data1> | Consumer<Data1> {
  return role === 'producer' ? node.streams.produce(Data1, options) : node.streams.consume(Data1, options)
}

/** Sends a datum from whichever of two ends produces, and waits until it has arrived at the other. */
async function exchange(...ends: readonly (Producer<Data1> | Consumer<Data1>)[]): Promise<void> {
  const producer = ends.find((end): end is Producer<Data1> => 'send' in end)
  const consumer = ends.find((end): end is Consumer<Data1> => 'recv' in end)
  await producer!.send({ text: 'hello' })
  expect(await within(3_000, take(consumer!, 1))).toEqual([{ text: 'hello' }])
}

function disconnects(node: TestNode, where: Role, cause: string): number | undefined {
  return node.host.metrics.value('mosaik_ticket_disconnects_total', { where, cause })
}

/** Whether a node has heard of what the others produce or consume. */
async function knowsEverybody(node: TestNode, count: number): Promise<void> {
  await eventually(() => {
    const peers = [...node.discovery.catalog.value.peers.values()]
    return peers.filter(({ produces, consumes }) => produces.length + consumes.length > 0).length === count
  })
}

describe.each<[judge: Role, judged: Role]>([
  ['consumer', 'producer'],
  ['producer', 'consumer'],
])('a %s that requires tickets of a %s', (judge, judged) => {
  test(`stream_${judge}: given a valid, an expired and no ticket, then only the first is connected and data flows`, async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, n1, n2, n3] = nodes
    const issuer = new TestIssuer('one')
    n1!.discovery.addTicket(issuer.issue(n1!.peerId, Date.now() + hour))
    n2!.discovery.addTicket(issuer.issue(n2!.peerId, Date.now() - hour))
    const others = [n1!, n2!, n3!].map((node) => open(judged, node))
    const end = open(judge, n0!, { requireTicket: issuer.validator })
    await discoverAll(nodes)
    await knowsEverybody(n0!, 3)
    await within(5_000, end.when().subscribed())
    await connectedTo(end, n1!)
    await exchange(end, others[0]!)
    if (judge === 'producer') {
      for (const [index, node] of [n2!, n3!].entries()) {
        const consumer = others[index + 1] as Consumer<Data1>
        await refusedBy(consumer, n0!, 10403)
        const problem = node === n2 ? 'has expired' : 'shows no ticket'
        expect(statusWith(consumer, n0!)?.lastClose?.message).toContain(problem)
      }
      const { metrics } = n0!.host
      const labels = { stream: Data1.id.slice(0, 10), result: 'ticket' }
      expect(metrics.value('mosaik_stream_subscriptions_total', labels)).toBeGreaterThanOrEqual(2)
    } else {
      expect(issuer.looks.get(n2!.peerId)).toBeGreaterThan(0)
      expect(end.subscriptions.value).toHaveLength(1)
      expect(others.map(({ online }) => online)).toEqual([true, false, false])
    }
  })

  test(`stream_${judge}_ticket_expiry: given a ticket for a short time, when data was delivered and the time has passed, then nobody is connected`, async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const issuer = new TestIssuer('one')
    const end = open(judge, n0!, { requireTicket: issuer.validator })
    const other = open(judged, n1!)
    const until = Date.now() + 1_500 * timeFactor
    n1!.discovery.addTicket(issuer.issue(n1!.peerId, until))
    await discoverAll(nodes)
    await connectedTo(end, n1!)
    await exchange(end, other)
    await connectedTo(end)
    expect(Date.now()).toBeGreaterThan(until)
    expect(end.subscriptions.value).toEqual([])
    await connectedTo(other)
    expect(disconnects(n0!, judge, 'expired')).toBe(1)
    if (judge === 'producer') await refusedBy(other as Consumer<Data1>, n0!, 10403)
  })

  test(`stream_${judge}_multiple_validators: given two issuers, then only the peer with tickets of both is connected`, async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, n1, n2, n3] = nodes
    const issuers = [new TestIssuer('one'), new TestIssuer('two')] as const
    const give = (node: TestNode, ...from: readonly TestIssuer[]): void => {
      for (const issuer of from) node.discovery.addTicket(issuer.issue(node.peerId, 'never'))
    }
    give(n1!, issuers[0])
    give(n2!, ...issuers)
    give(n3!, issuers[1])
    const others = [n1!, n2!, n3!].map((node) => open(judged, node))
    const end = open(judge, n0!, { requireTicket: issuers.map(({ validator }) => validator) })
    await discoverAll(nodes)
    await knowsEverybody(n0!, 3)
    await connectedTo(end, n2!)
    if (judge === 'producer') {
      await refusedBy(others[0] as Consumer<Data1>, n0!, 10403)
      await refusedBy(others[2] as Consumer<Data1>, n0!, 10403)
    }
    expect(end.subscriptions.value).toHaveLength(1)
  })

  test('a ticket of another peer is no ticket', async () => {
    await using nodes = await startNodes({}, {}, {})
    const [n0, n1, n2] = nodes
    const issuer = new TestIssuer('one')
    n1!.discovery.addTicket(issuer.issue(n1!.peerId, 'never'))
    n2!.discovery.addTicket(issuer.issue(n1!.peerId, 'never'))
    for (const node of [n1!, n2!]) open(judged, node)
    const end = open(judge, n0!, { requireTicket: issuer.validator })
    await discoverAll(nodes)
    await knowsEverybody(n0!, 2)
    await connectedTo(end, n1!)
    await eventually(() => (issuer.looks.get(n2!.peerId) ?? 0) > 0)
    expect(end.subscriptions.value).toHaveLength(1)
  })

  test('S-11, renewal before expiry: given a live subscription, when the ticket is replaced in time, then nothing happens at its old expiration, and it ends at the new one', async () => {
    const clock = new ManualClock(Date.now())
    await using nodes = await startNodes({ clock }, {})
    const [n0, n1] = nodes
    const issuer = new TestIssuer('one')
    const renew = (until: number): void => {
      n1!.discovery.replaceTicket(issuer.issue(n1!.peerId, until))
      feed(n0!, n1!)
    }
    const start = clock.now()
    const end = open(judge, n0!, { requireTicket: issuer.validator })
    const other = open(judged, n1!)
    await discoverAll(nodes)
    renew(start + 10_000)
    await connectedTo(end, n1!)
    const live = statusWith(end, n1!)!

    clock.advance(8_000)
    renew(start + 20_000)
    clock.advance(11_000)
    await exchange(end, other)
    expect(statusWith(end, n1!)).toMatchObject({
      state: 'connected',
      attempt: live.attempt,
      connectedAtMs: live.connectedAtMs,
    })
    clock.advance(1_001)
    await connectedTo(end)
    await connectedTo(other)
    expect(disconnects(n0!, judge, 'expired')).toBe(1)
  })

  test('S-11, an old timer and a newer subscription: given a peer that was gone and is back with a later ticket, when the first one expires, then it stays connected', async () => {
    const clock = new ManualClock(Date.now())
    await using nodes = await startNodes({ clock }, {})
    const [n0, n1] = nodes
    const issuer = new TestIssuer('one')
    const start = clock.now()
    const end = open(judge, n0!, { requireTicket: issuer.validator })
    const first = open(judged, n1!)
    await discoverAll(nodes)
    n1!.discovery.addTicket(issuer.issue(n1!.peerId, start + 10_000))
    feed(n0!, n1!)
    await connectedTo(end, n1!)
    await first.close()
    feed(n0!, n1!)
    await connectedTo(end)
    n1!.discovery.replaceTicket(issuer.issue(n1!.peerId, start + 60_000))
    const second = open(judged, n1!)
    feed(n0!, n1!)
    await connectedTo(end, n1!)
    clock.advance(15_000)
    await exchange(end, second)
    await connectedTo(end, n1!)
  })

  test('S-10, revocation: when the ticket is withdrawn, or replaced by a false one, then it is cut off with NotAllowed; when there is a good one, then it is connected at once', async () => {
    await using nodes = await startNodes({}, {})
    const [n0, n1] = nodes
    const issuer = new TestIssuer('one')
    const good = issuer.issue(n1!.peerId, 'never')
    const end = open(judge, n0!, { requireTicket: issuer.validator })
    const other = open(judged, n1!)
    await discoverAll(nodes)
    for (const [cause, revoke] of [
      ['revoked', () => n1!.discovery.removeTicketsOf(issuer.validator.class)],
      ['changed', () => n1!.discovery.replaceTicket({ ...good, data: new Uint8Array([1]) })],
    ] as const) {
      n1!.discovery.replaceTicket(good)
      feed(n0!, n1!)
      await connectedTo(end, n1!)
      await exchange(end, other)
      revoke()
      feed(n0!, n1!)
      await connectedTo(end)
      await connectedTo(other)
      expect(disconnects(n0!, judge, cause)).toBe(1)
      if (judge === 'producer') await refusedBy(other as Consumer<Data1>, n0!, 10403)
    }
  })

  test('a live subscription costs one timer however many have tickets that expire, and none when nothing does', async () => {
    const clock = new ManualClock(Date.now())
    await using nodes = await startNodes({ clock }, {}, {}, {})
    const [n0, ...others] = nodes
    const issuer = new TestIssuer('one')
    const give = (until: (index: number) => number | 'never'): void => {
      for (const [index, node] of others.entries()) {
        node.discovery.replaceTicket(issuer.issue(node.peerId, until(index)))
        feed(n0!, node)
      }
    }
    const end = open(judge, n0!, { requireTicket: issuer.validator })
    for (const node of others) open(judged, node)
    await discoverAll(nodes)
    give((index) => clock.now() + 10_000 + index)
    await connectedTo(end, ...others)
    await eventually(() => expect(clock.pendingCount).toBe(1))
    give(() => 'never')
    await eventually(() => expect(clock.pendingCount).toBe(0))
    await connectedTo(end, ...others)
  })
})

describe('tickets that a predicate of the application looks at', () => {
  const isBearer =
    (issuer: TestIssuer) =>
    (peer: PeerInfo): boolean => {
      const expiration = validateTicket(peer, issuer.validator)
      return expiration !== 'invalid' && !isExpired(expiration, Date.now())
    }

  test('consumer/auth by_jwt_ticket: given producers with a valid, an expired and no ticket, when the consumer verifies them in its predicate, then only the first is connected and data flows', async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, n1, n2, n3] = nodes
    const issuer = new TestIssuer('one')
    n1!.discovery.addTicket(issuer.issue(n1!.peerId, Date.now() + hour))
    n2!.discovery.addTicket(issuer.issue(n2!.peerId, Date.now() - hour))
    const producers = [n1!, n2!, n3!].map((node) => node.streams.produce(Data1))
    const consumer = n0!.streams.consume(Data1, { require: isBearer(issuer) })
    await discoverAll(nodes)
    await knowsEverybody(n0!, 3)
    await connectedTo(consumer, n1!)
    expect(consumer.subscriptions.value).toHaveLength(1)
    await exchange(producers[0]!, consumer)
  })

  test('producer/auth by_jwt_ticket: given consumers that get their tickets after everybody knows everybody, when the producer verifies them in its predicate, then only the one with a valid ticket is served', async () => {
    await using nodes = await startNodes({}, {}, {}, {})
    const [n0, n1, n2, n3] = nodes
    const issuer = new TestIssuer('one')
    const producer = n0!.streams.produce(Data1, { require: isBearer(issuer) })
    const consumers = [n1!, n2!, n3!].map((node) => node.streams.consume(Data1))
    await discoverAll(nodes)
    for (const consumer of consumers) await refusedBy(consumer, n0!, 10403)
    n1!.discovery.addTicket(issuer.issue(n1!.peerId, Date.now() + hour))
    n2!.discovery.addTicket(issuer.issue(n2!.peerId, Date.now() - hour))
    await connectedTo(producer, n1!)
    await exchange(producer, consumers[0]!)
    await eventually(() => (statusWith(consumers[1]!, n0!)?.attempt ?? 0) > 1)
    await refusedBy(consumers[1]!, n0!, 10403)
    await refusedBy(consumers[2]!, n0!, 10403)
  })
})

import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { isMosaikError } from '#framework/primitives'
import { stream } from '#framework/streams'
import { TopologyError } from '#framework/topology'
import {
  Config,
  Consumer,
  launch,
  Producer,
  Service,
  type OnStart,
  type OnStop,
  type ServiceContext,
} from '#decorators'
import { eventually, within } from '../support/eventually.js'
import { folderWith } from '../support/mosaik-process.js'
import { recordingLogger } from '../support/recording-logger.js'

const greeting = z.object({ text: z.string(), from: z.string() })
type Greeting = z.infer<typeof greeting>
const Greetings = stream('launch.greetings', greeting)

const config = z.object({ text: z.string().default('hello') })

@Service({ tags: ['greeter'] })
class Greeter implements OnStart {
  @Config(config) readonly config!: z.infer<typeof config>
  @Producer(Greetings) readonly greetings!: Producer<Greeting>

  async onStart({ signal, node }: ServiceContext): Promise<void> {
    await this.greetings.send({ text: this.config.text, from: `${node.name}-${node.replica}` }, { signal })
  }
}

@Service()
class PoliteListener {
  readonly heard: Greeting[] = []

  @Consumer(Greetings) onGreeting(datum: Greeting): void {
    this.heard.push(datum)
  }
}

/** The cause that the network closed with, as soon as it has. */
const closedOf = (net: { readonly closed: Promise<unknown> }) => within(8_000, net.closed)

describe('a network that is launched', () => {
  test('given a secret, labels, a relay and a folder, its nodes have them, each in a folder of its own', async () => {
    await using folder = await folderWith({})
    const options = {
      network: 'launch-closed',
      secret: 'e0f7c1a09b3d4c5e8f6a7b8c9d0e1f2a',
      data: folder.path,
      services: [
        { service: Greeter, labels: { region: 'eu' }, relay: { serve: true } },
        { service: PoliteListener, replicas: 2 },
      ],
    }
    await using net = await launch(options)
    await net.converged({ timeoutMs: 10_000 })
    const { me } = net.node('greeter').discovery
    expect(me).toMatchObject({ labels: { region: 'eu' }, serves: ['relay'] })
    expect(net.node('polite-listener', 1).discovery.me).toMatchObject({ labels: {}, serves: [] })
    expect((await readdir(folder.path)).sort()).toEqual([
      'greeter-0',
      'polite-listener-0',
      'polite-listener-1',
    ])
    await net.close()
    await using again = await launch(options)
    expect(again.node('greeter').info.peerId).toBe(net.node('greeter').info.peerId)
    await expect(launch({ ...options, secret: 'short' })).rejects.toMatchObject({ code: 'SECRET_WEAK' })
  })

  test('given that peers are to be remembered, and no folder, it is refused before anything starts', async () => {
    const launching = launch({
      network: 'launch-forgets',
      services: [Greeter],
      discovery: { remember: true },
    })
    await expect(launching).rejects.toThrow(TopologyError)
    await expect(launching).rejects.toThrow(/there is no folder to keep them in/)
  })
})

describe('hello', () => {
  test('given a producer and a consumer class, each is a node, they find each other, and the datum arrives', async () => {
    await using net = await launch({ network: 'launch-hello', services: [Greeter, PoliteListener] })
    await net.converged({ timeoutMs: 10_000 })
    expect(net.missing.value).toEqual([])
    expect(net.nodes.map(({ info }) => info.name)).toEqual(['greeter', 'polite-listener'])
    expect(net.node('polite-listener').edges.value).toMatchObject([
      {
        stream: 'launch.greetings',
        from: { node: 'greeter', replica: 0 },
        to: { node: 'polite-listener', replica: 0 },
      },
    ])
    const { heard } = net.service(PoliteListener)
    await eventually(() => heard.length === 1)
    expect(heard).toEqual([{ text: 'hello', from: 'greeter-0' }])
  })

  test('given replicas, names, tags and configuration, every declared edge comes up', async () => {
    await using net = await launch({
      network: 'launch-replicas',
      services: [
        { service: Greeter, name: 'host', replicas: 2, tags: ['loud'], config: { text: 'hi' } },
        PoliteListener,
      ],
    })
    await net.converged({ timeoutMs: 10_000 })
    const { heard } = net.service(PoliteListener)
    await eventually(() => heard.length === 2)
    expect(heard.map(({ text, from }) => `${text} ${from}`).sort()).toEqual(['hi host-0', 'hi host-1'])
    expect(net.node('host', 1).info.tags).toEqual(['loud', 'greeter'])
    expect(net.service(Greeter, 1).config).toEqual({ text: 'hi' })
  })

  test('given the configuration by name of the node, the class gets it', async () => {
    await using net = await launch({
      network: 'launch-config',
      services: [Greeter, PoliteListener],
      config: { greeter: { text: 'good day' } },
    })
    const { heard } = net.service(PoliteListener)
    await eventually(() => heard.length === 1, { timeoutMs: 10_000 })
    expect(heard[0]?.text).toBe('good day')
  })
})

test('given two networks in one process with the same classes and streams, they do not hear each other', async () => {
  await using one = await launch({
    network: 'launch-one',
    services: [Greeter, PoliteListener],
    config: { greeter: { text: 'one' } },
  })
  await using two = await launch({
    network: 'launch-two',
    services: [Greeter, PoliteListener],
    config: { greeter: { text: 'two' } },
  })
  await Promise.all([one.converged({ timeoutMs: 10_000 }), two.converged({ timeoutMs: 10_000 })])
  const [first, second] = [one.service(PoliteListener), two.service(PoliteListener)]
  expect(first).not.toBe(second)
  // Introducing the two changes nothing: different networks do not exchange anything.
  one.node('greeter').discovery.dial(two.node('greeter').host.addresses.value)
  await eventually(() => first.heard.length === 1 && second.heard.length === 1)
  await one
    .node('greeter')
    .discovery.syncWith({ addresses: two.node('greeter').host.addresses.value })
    .catch(() => undefined)
  expect(one.node('greeter').discovery.catalog.value.size).toBe(1)
  expect(first.heard.map(({ text }) => text)).toEqual(['one'])
  expect(second.heard.map(({ text }) => text)).toEqual(['two'])
})

describe('order', () => {
  const Numbers = stream('launch.numbers', z.object({ from: z.string(), n: z.number() }))
  const count = 200

  @Service()
  class Counter implements OnStart {
    // Both consumers get everything: nothing is sent before the second is there.
    @Producer(Numbers, { onlineWhen: 2 }) readonly numbers!: Producer<{ from: string; n: number }>
    async onStart({ signal, node }: ServiceContext): Promise<void> {
      for (let n = 0; n < count; n++) await this.numbers.send({ from: `${node.replica}`, n }, { signal })
    }
  }

  class Recorder {
    running = 0
    most = 0
    readonly taken: { from: string; n: number }[] = []
    async take(datum: { from: string; n: number }): Promise<void> {
      this.most = Math.max(this.most, ++this.running)
      this.taken.push(datum)
      // Later datums take less time: they would overtake earlier ones if they were let.
      for (let turn = 0; turn < 3 - (datum.n % 4); turn++) await new Promise(setImmediate)
      this.running--
    }
    orderOf(from: string): number[] {
      return this.taken.filter((datum) => datum.from === from).map(({ n }) => n)
    }
  }

  @Service()
  class OneByOne extends Recorder {
    @Consumer(Numbers) override take(datum: { from: string; n: number }): Promise<void> {
      return super.take(datum)
    }
  }

  @Service()
  class FourAtATime extends Recorder {
    @Consumer(Numbers, { concurrency: 4 }) override take(datum: { from: string; n: number }): Promise<void> {
      return super.take(datum)
    }
  }

  test('given a method that waits, the datums of each producer are handled one by one in their order; with a concurrency they overlap', async () => {
    await using net = await launch({
      network: 'launch-order',
      services: [OneByOne, FourAtATime, { service: Counter, replicas: 2 }],
    })
    const [one, four] = [net.service(OneByOne), net.service(FourAtATime)]
    const isComplete = ({ taken, running }: Recorder) => taken.length === 2 * count && running === 0
    await eventually(() => isComplete(one) && isComplete(four), { timeoutMs: 10_000 })
    const inOrder = Array.from({ length: count }, (_, n) => n)
    for (const from of ['0', '1']) {
      expect(one.orderOf(from)).toEqual(inOrder)
      // Calls begin in order, whatever happens afterwards.
      expect(four.orderOf(from)).toEqual(inOrder)
    }
    expect(one.most).toBe(1)
    expect(four.most).toBe(4)
  })
})

describe('failure', () => {
  @Service()
  class Fragile {
    @Consumer(Greetings) onGreeting(_datum: Greeting): void {
      throw new Error('too loud')
    }
  }

  test('given a consumer method that throws, the network closes with the service and its error', async () => {
    const lines: string[] = []
    await using net = await launch({
      network: 'launch-failure',
      services: [Greeter, Fragile],
      logger: recordingLogger(lines),
    })
    expect(await closedOf(net)).toMatchObject({
      code: 'SERVICE_FAILED',
      service: 'Fragile',
      message: 'service Fragile failed: too loud',
    })
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([
      'error: service Fragile failed: too loud',
    ])
    await expect(net.converged()).rejects.toMatchObject({ code: 'ENDED', cause: { code: 'SERVICE_FAILED' } })
  })

  test('given a method that skips what it cannot handle, the network goes on and the loss is counted', async () => {
    @Service()
    class Tolerant {
      readonly heard: Greeting[] = []
      @Consumer(Greetings, { onError: 'skip' }) onGreeting(datum: Greeting): void {
        if (datum.from === 'greeter-0') throw new Error('not you')
        this.heard.push(datum)
      }
    }
    await using net = await launch({
      network: 'launch-skip',
      services: [{ service: Greeter, replicas: 2 }, Tolerant],
    })
    const tolerant = net.service(Tolerant)
    await eventually(() => tolerant.heard.length === 1, { timeoutMs: 10_000 })
    const { metrics } = net.node('tolerant').host
    const labels = { service: 'Tolerant', method: 'onGreeting' }
    await eventually(() => metrics.value('mosaik_service_skipped_datums_total', labels) === 1)
  })

  test('given an onStart that rejects later, the network closes with it', async () => {
    @Service()
    class Quitter implements OnStart {
      async onStart(): Promise<void> {
        await new Promise(setImmediate)
        throw new Error('enough')
      }
    }
    await using net = await launch({ network: 'launch-quitter', services: [Quitter] })
    expect(await closedOf(net)).toMatchObject({ service: 'Quitter' })
  })
})

describe('what cannot be launched', () => {
  test('a wrong configuration, of every node at once and before anything starts', async () => {
    let started = false
    @Service()
    class Eager implements OnStart {
      onStart(): void {
        started = true
      }
    }
    const wrong = { service: Greeter, config: { text: 1 } }
    const launching = launch({
      network: 'n',
      services: [Eager, { ...wrong, name: 'first' }, { ...wrong, name: 'second' }],
    })
    await expect(launching).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      problems: [
        expect.objectContaining({ node: 'first', service: 'Greeter', path: ['text'] }),
        expect.objectContaining({ node: 'second', service: 'Greeter', path: ['text'] }),
      ],
    })
    expect(started).toBe(false)
  })

  test('the configuration of a node that there is not', async () => {
    const launching = launch({ network: 'n', services: [Greeter], config: { greter: {} } })
    await expect(launching).rejects.toThrow('there is no node "greter", only greeter')
  })

  test('classes that do not fit together, with everything that is wrong', async () => {
    const Redefined = stream('launch.greetings', z.object({ text: z.number() }))
    @Service()
    class Confused {
      @Consumer(Redefined) onGreeting(_datum: { text: number }): void {}
    }
    const error: unknown = await launch({
      network: 'n',
      services: [Greeter, Confused, { service: PoliteListener, name: 'No' }],
    }).catch((cause: unknown) => cause)
    expect(isMosaikError(error, 'TOPOLOGY_INVALID')).toBe(true)
    expect(error).toMatchObject({
      problems: [
        expect.objectContaining({ code: 'NODE_NAME_INVALID' }),
        expect.objectContaining({ code: 'STREAM_SCHEMA_CONFLICT' }),
      ],
    })
  })

  test('a class that is no service', async () => {
    await expect(launch({ network: 'n', services: [class Plain {}] })).rejects.toMatchObject({
      code: 'SERVICE_DECLARATION',
    })
  })

  test('a service that cannot be made, and then the nodes before it are closed', async () => {
    let context: ServiceContext | undefined
    @Service()
    class First implements OnStart {
      onStart(given: ServiceContext): void {
        context = given
      }
    }
    @Service()
    class Broken {
      constructor() {
        throw new Error('no')
      }
    }
    await expect(launch({ network: 'n', services: [First, Broken] })).rejects.toThrow('no')
    expect(context?.signal.aborted).toBe(true)
  })
})

describe('asking for what is not there', () => {
  test('names what is', async () => {
    await using net = await launch({ network: 'launch-ask', services: [Greeter] })
    expect(() => net.node('greeter', 1)).toThrow('there is no node "greeter-1", only greeter-0')
    expect(() => net.service(PoliteListener)).toThrow(expect.objectContaining({ code: 'SERVICE_UNKNOWN' }))
  })
})

describe('closing', () => {
  test('a program that has closed its network ends by itself', async () => {
    const program = join(import.meta.dirname, 'fixtures/launch-and-close.mjs')
    const { stdout } = await within(
      12_000,
      promisify(execFile)(process.execPath, [program], { env: {}, timeout: 12_000 }),
    )
    expect(stdout.split('\n')).toEqual(['hello', 'closed', ''])
  })

  test('stops every service, leaves nothing behind, and ends what waits', async () => {
    const trace: string[] = []
    @Service()
    class Tidy implements OnStart, OnStop {
      // Refuses everybody, so the network does not converge.
      @Consumer(Greetings, { require: () => false }) onGreeting(_datum: Greeting): void {}
      async onStart({ signal }: ServiceContext): Promise<void> {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        trace.push('onStart ended')
      }
      onStop(): void {
        trace.push('onStop')
      }
    }
    const net = await launch({ network: 'launch-closing', services: [Tidy, Greeter] })
    const converged = expect(net.converged()).rejects.toMatchObject({ code: 'ENDED' })
    await Promise.all([net.close(), net.close()])
    await within(1000, converged)
    expect(trace).toEqual(['onStart ended', 'onStop'])
    expect(await within(1000, net.closed)).toBeUndefined()
    for (const node of net.nodes) {
      expect(node.host.connections.value.size).toBe(0)
      expect(node.edges.value).toEqual([])
      expect(await within(1000, node.closed)).toBeUndefined()
    }
  })
})

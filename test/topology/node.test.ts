import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { codeOf } from '#framework/primitives'
import { stream, type Consumer } from '#framework/streams'
import {
  ServiceError,
  startNode,
  type BoundService,
  type ConfigProblem,
  type NodeOptions,
  type RunningNode,
  type ServiceBinding,
  type ServiceRuntime,
} from '#framework/topology'
import { eventually, within } from '../support/eventually.js'
import { recordingLogger } from '../support/recording-logger.js'
import { port, service } from './declare.js'

const Ticks = stream('ticks', z.object({ n: z.number() }))

interface ServicePlan {
  readonly name?: string
  readonly tags?: readonly string[]
  readonly problems?: readonly ConfigProblem[]
  readonly bind?: (runtime: ServiceRuntime) => void | Promise<void>
  readonly start?: () => void | Promise<void>
  readonly stop?: () => void | Promise<void>
  readonly failed?: Promise<unknown>
}

/** A service that does what the plan says, and nothing otherwise. */
function binding({ name = 'Planned', tags = [], problems = [], ...plan }: ServicePlan = {}): ServiceBinding {
  return {
    declaration: service(name, { tags }),
    configProblems: () => problems,
    async bind(runtime): Promise<BoundService> {
      await plan.bind?.(runtime)
      return {
        start: async () => plan.start?.(),
        stop: async () => plan.stop?.(),
        failed: plan.failed ?? new Promise(() => undefined),
      }
    },
  }
}

const producing = binding({ name: 'Producing', bind: ({ streams }) => void streams.produce(Ticks) })
const consuming = binding({ name: 'Consuming', bind: ({ streams }) => void streams.consume(Ticks) })

function start(
  name: string,
  services: readonly ServiceBinding[],
  rest: Partial<NodeOptions> = {},
): Promise<RunningNode> {
  return startNode({ network: 'node-test', name, replica: 0, tags: [], config: {}, services, ...rest })
}

/** Edges in short: `stream from-0 > to-0`. */
function edgesOf(node: RunningNode): string[] {
  return node.edges.value.map(
    ({ stream: name, from, to }) => `${name} ${from.node}-${from.replica} > ${to.node}-${to.replica}`,
  )
}

describe('a started node', () => {
  test('announces itself under its name, with its tags and those of its services', async () => {
    await using node = await start('sensor', [binding({ tags: ['edge', 'fast'] })], {
      replica: 2,
      tags: ['edge', 'own'],
    })
    expect(node.info).toEqual({
      network: 'node-test',
      name: 'sensor',
      replica: 2,
      peerId: node.host.peerId,
      tags: ['edge', 'own', 'fast'],
    })
    expect(node.discovery.me.node).toEqual({ name: 'sensor', replica: 2 })
    expect(node.discovery.me.tags).toEqual(['edge', 'fast', 'own'])
  })

  test('binds every service before it starts the first, in their order', async () => {
    const trace: string[] = []
    const traced = (name: string): ServiceBinding =>
      binding({
        name,
        bind: () => void trace.push(`bind ${name}`),
        start: () => void trace.push(`start ${name}`),
      })
    await using node = await start('n', [traced('A'), traced('B')])
    expect(node.services).toHaveLength(2)
    expect(trace).toEqual(['bind A', 'bind B', 'start A', 'start B'])
  })

  test('gives each service its runtime, and tells the log what it displays and that it is done unless told whom', async () => {
    const runtimes: ServiceRuntime[] = []
    const lines: string[] = []
    const shown: string[] = []
    const service = binding({ bind: (runtime) => void runtimes.push(runtime) })
    await using node = await start('n', [service], { config: { size: 3 }, logger: recordingLogger(lines) })
    const finished: unknown[] = []
    await using other = await start('o', [service], {
      display: (text) => shown.push(text),
      finish: (failure) => finished.push(failure),
    })
    for (const runtime of runtimes) {
      runtime.display('a table')
      runtime.finish(undefined)
      runtime.finish('no luck')
    }
    expect(runtimes[0]).toMatchObject({
      node: node.info,
      config: { size: 3 },
      streams: node.streams,
      metrics: node.host.metrics,
    })
    expect(runtimes[1]?.node).toBe(other.info)
    expect(lines).toEqual(
      expect.arrayContaining(['info: a table', 'info: finished', 'error: finished without success: no luck']),
    )
    expect(shown).toEqual(['a table'])
    expect(finished).toEqual([undefined, 'no luck'])
  })
})

describe('edges', () => {
  test('given a producer and a consumer on two nodes, both see the edge with names, and see it go', async () => {
    await using producer = await start('producer', [producing])
    const seeds = producer.host.addresses.value
    await using consumer = await start('consumer', [consuming], { seeds, replica: 1 })
    const edge = 'ticks producer-0 > consumer-1'
    await eventually(() => edgesOf(consumer).includes(edge) && edgesOf(producer).includes(edge))
    expect(consumer.edges.value[0]?.from.peer).toBe(producer.host.peerId)
    await consumer.close()
    await eventually(() => edgesOf(producer).length === 0)
    expect(consumer.edges.ended).toBe(true)
  })

  test('given a node that consumes what it produces, the edge is there once', async () => {
    await using node = await start('loop', [producing, consuming])
    await eventually(() => edgesOf(node).length > 0)
    expect(edgesOf(node)).toEqual(['ticks loop-0 > loop-0'])
  })
})

describe('a node that cannot start', () => {
  test('because of its configuration says everything that is wrong, and has started nothing', async () => {
    let bound = false
    const wrong = binding({
      name: 'Picky',
      bind: () => {
        bound = true
      },
      problems: [
        { service: 'Picky', path: ['thresholds', 'cpu'], message: 'too high' },
        { service: 'Picky', path: [], message: 'too little' },
      ],
    })
    const starting = start('n', [
      wrong,
      binding({ problems: [{ service: 'Other', path: ['x', 0], message: 'no' }] }),
    ])
    await expect(starting).rejects.toThrow(
      [
        'the configuration is invalid:',
        '  node "n", config.thresholds.cpu: too high (Picky)',
        '  node "n", config: too little (Picky)',
        '  node "n", config.x.0: no (Other)',
      ].join('\n'),
    )
    expect(codeOf(await starting.catch((error: unknown) => error))).toBe('CONFIG_INVALID')
    expect(bound).toBe(false)
  })

  test.each(['bind', 'start'] as const)(
    'because a service fails in %s, has closed everything again',
    async (step) => {
      const trace: string[] = []
      let streams: ServiceRuntime['streams'] | undefined
      const first = binding({
        bind: (runtime) => {
          streams = runtime.streams
        },
        stop: () => void trace.push('first stopped'),
      })
      const failing = binding({
        [step]: () => {
          throw new Error('cannot')
        },
      })
      await expect(start('n', [first, failing])).rejects.toThrow('cannot')
      expect(trace).toEqual(['first stopped'])
      expect(() => streams?.consume(Ticks)).toThrow(expect.objectContaining({ code: 'STREAMS_CLOSED' }))
    },
  )

  test('because its address is taken, says so', async () => {
    await using node = await start('first', [])
    const listen = node.host.addresses.value.map((address) => address.replace(/\/p2p\/.*/, ''))
    await expect(start('second', [], { listen })).rejects.toThrow(
      expect.objectContaining({ code: 'ADDRESS_IN_USE' }),
    )
  })
})

describe('closing', () => {
  test('ends the services first, then the streams, then says goodbye, then closes the host', async () => {
    const trace: string[] = []
    let signal: AbortSignal | undefined
    let consumer: Consumer<{ n: number }> | undefined
    const service = binding({
      bind: (runtime) => {
        signal = runtime.signal
        consumer = runtime.streams.consume(Ticks)
      },
      stop: () => {
        trace.push(`service stops, aborted: ${signal?.aborted}`)
        // Streams are still open.
        expect(consumer?.tryRecv()).toBeUndefined()
      },
    })
    const node = await start('n', [service])
    node.streams.subscriptions.subscribe(
      () => undefined,
      () => trace.push('streams ended'),
    )
    node.discovery.catalog.subscribe(
      () => undefined,
      () => trace.push('discovery ended'),
    )
    void node.host.closed.then(() => trace.push('host closed'))
    await Promise.all([node.close(), node.close()])
    expect(trace).toEqual(['service stops, aborted: true', 'streams ended', 'discovery ended', 'host closed'])
    expect(await within(1000, node.closed)).toBeUndefined()
  })

  test('goes on when a part cannot be closed, and logs it', async () => {
    const lines: string[] = []
    const stubborn = binding({
      stop: () => {
        throw new Error('no')
      },
    })
    const node = await start('n', [stubborn], { logger: recordingLogger(lines) })
    await node.close()
    expect(lines).toContain('warn: could not close the services: no')
    expect(await within(1000, node.host.closed)).toBeUndefined()
  })
})

describe('a node closes by itself', () => {
  test('when a service fails: the log and the cause name it', async () => {
    const lines: string[] = []
    let fail = (_cause: unknown): void => undefined
    const failing = binding({
      name: 'Fragile',
      failed: new Promise((resolve) => {
        fail = resolve
      }),
    })
    await using node = await start('n', [binding(), failing], { logger: recordingLogger(lines) })
    fail(new Error('out of paper'))
    const cause = await within(5000, node.closed)
    expect(cause).toBeInstanceOf(ServiceError)
    expect(cause).toMatchObject({
      code: 'SERVICE_FAILED',
      service: 'Fragile',
      cause: new Error('out of paper'),
    })
    expect(lines).toContain('error: service Fragile failed: out of paper')
  })

  test('when its host does', async () => {
    await using node = await start('n', [])
    await node.host.close()
    expect(await within(5000, node.closed)).toMatchObject({ code: 'ENDED' })
  })
})

test('a declared port and a running one are the same stream', () => {
  expect(port('ticks').id).toBe(Ticks.id)
})

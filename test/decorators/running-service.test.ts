import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { ManualClock } from '#framework/primitives'
import { stream } from '#framework/streams'
import {
  Config,
  Consumer,
  Producer,
  Service,
  type OnStart,
  type OnStop,
  type ServiceContext,
} from '#decorators'
import { eventually, within } from '../support/eventually.js'
import { FakeNode } from './fake-node.js'

const datum = z.object({ n: z.number() })
type Datum = z.infer<typeof datum>
const In = stream('in', datum)
const Out = stream('out', datum)
const Other = stream('other', datum)

describe('a bound service', () => {
  test('has its handles and its configuration, and has not run', async () => {
    const config = z.object({ size: z.number().default(3) })
    let started = false
    @Service()
    class Bound implements OnStart {
      @Config(config) readonly config!: z.infer<typeof config>
      @Producer(Out, { queue: 8 }) readonly out!: Producer<Datum>
      @Consumer(In, { windowBytes: 9 }) readonly in!: Consumer<Datum>
      @Consumer(Other, { concurrency: 2, onError: 'skip' }) onOther(_datum: Datum): void {}
      onStart(): void {
        started = true
      }
    }
    const node = new FakeNode({ config: { size: 5, elsewhere: true } })
    const instance = FakeNode.instance(await node.bind(Bound), Bound)
    expect(instance.config).toEqual({ size: 5 })
    expect(instance.out.stream).toBe(Out)
    expect(instance.in.stream).toBe(In)
    expect(started).toBe(false)
    // What is for the method and not for the stream stays here.
    expect(node.opened).toEqual([
      'produce out {"queue":8}',
      'consume in {"windowBytes":9}',
      'consume other {"ack":"manual"}',
    ])
  })

  test('cannot lose a handle by an assignment', async () => {
    @Service()
    class Careless {
      @Producer(Out) out!: Producer<Datum>
    }
    const instance = FakeNode.instance(await new FakeNode().bind(Careless), Careless)
    expect(() => {
      instance.out = undefined as unknown as Producer<Datum>
    }).toThrow(TypeError)
  })

  test('that produces a stream twice opens it once with options, and then shares it', async () => {
    @Service()
    class Sharing {
      @Producer(Out) readonly plain!: Producer<Datum>
      @Producer(Out, { queue: 8 }) readonly configured!: Producer<Datum>
    }
    const node = new FakeNode()
    await node.bind(Sharing)
    expect(node.opened).toEqual(['produce out {"queue":8}', 'produce out undefined'])
  })

  test('that is stopped without having been started does not call its hooks', async () => {
    const called: string[] = []
    @Service()
    class Early implements OnStart, OnStop {
      onStart(): void {
        called.push('onStart')
      }
      onStop(): void {
        called.push('onStop')
      }
    }
    await (await new FakeNode().bind(Early)).stop()
    expect(called).toEqual([])
  })
})

describe('a started service', () => {
  test('has begun onStart before its first datum, and start does not wait for it to end', async () => {
    const trace: string[] = []
    @Service()
    class Endless implements OnStart {
      async onStart({ signal }: ServiceContext): Promise<void> {
        trace.push('onStart')
        await new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        )
      }
      @Consumer(In) onIn({ n }: Datum): void {
        trace.push(`datum ${n}`)
      }
    }
    const node = new FakeNode()
    const service = await node.bind(Endless)
    node.consumer(In).push({ n: 1 })
    await within(1000, service.start())
    await eventually(() => trace.length === 2)
    expect(trace).toEqual(['onStart', 'datum 1'])
    await within(1000, service.stop())
    expect(node.logged).toEqual([])
  })

  test('is told who and where it is', async () => {
    let told: ServiceContext | undefined
    @Service()
    class Curious implements OnStart {
      onStart(context: ServiceContext): void {
        told = context
        context.log.info('hello')
        context.display('a table')
        context.finish('no luck')
      }
    }
    const node = new FakeNode()
    await node.start(Curious)
    expect(told?.node).toMatchObject({ network: 'test', name: 'node', replica: 0 })
    expect(node.logged).toEqual(['info: hello'])
    expect(node.displayed).toEqual(['a table'])
    expect(node.finished).toEqual(['no luck'])
  })

  test('handles datums with the method that a subclass made of it', async () => {
    const handled: string[] = []
    class Base {
      @Consumer(In) onIn(_datum: Datum): void {
        handled.push('base')
      }
    }
    @Service()
    class Derived extends Base {
      override onIn(_datum: Datum): void {
        handled.push('derived')
      }
    }
    const node = new FakeNode()
    await node.start(Derived)
    node.consumer(In).push({ n: 1 })
    await eventually(() => handled.length === 1)
    expect(handled).toEqual(['derived'])
  })

  test('starts once', async () => {
    let count = 0
    @Service()
    class Once implements OnStart {
      onStart(): void {
        count++
      }
    }
    const service = await new FakeNode().start(Once)
    await service.start()
    expect(count).toBe(1)
  })
})

describe('a service fails', () => {
  test.each([
    [
      'when onStart throws',
      () => {
        @Service()
        class Failing implements OnStart {
          onStart(): void {
            throw new Error('cannot')
          }
        }
        return Failing
      },
    ],
    [
      'when onStart rejects later',
      () => {
        @Service()
        class Failing implements OnStart {
          async onStart(): Promise<void> {
            await new Promise(setImmediate)
            throw new Error('cannot')
          }
        }
        return Failing
      },
    ],
    [
      'when a consumer method throws',
      () => {
        @Service()
        class Failing {
          @Consumer(In) onIn(_datum: Datum): void {
            throw new Error('cannot')
          }
        }
        return Failing
      },
    ],
  ])('%s', async (_when, declare) => {
    const node = new FakeNode()
    const service = await node.bind(declare())
    if (node.opened.length > 0) node.consumer(In).push({ n: 1 })
    await service.start()
    expect(await within(1000, service.failed)).toEqual(new Error('cannot'))
    await service.stop()
  })

  test('and nothing more of it runs: its signal aborts and its other methods get no more datums', async () => {
    let aborted = false
    @Service()
    class Failing implements OnStart {
      async onStart({ signal }: ServiceContext): Promise<void> {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        aborted = true
      }
      @Consumer(In) onIn(_datum: Datum): void {
        throw new Error('cannot')
      }
      @Consumer(Other) onOther(_datum: Datum): void {}
    }
    const node = new FakeNode()
    const service = await node.start(Failing)
    node.consumer(In).push({ n: 1 })
    await within(1000, service.failed)
    await eventually(() => aborted)
    node.consumer(Other).push({ n: 1 })
    await new Promise(setImmediate)
    expect(node.consumer(Other).waitingCount).toBe(1)
  })

  test('by an abort error only while it is not stopping', async () => {
    @Service()
    class Aborting implements OnStart {
      async onStart(): Promise<void> {
        await Promise.reject(new DOMException('timed out elsewhere', 'AbortError'))
      }
    }
    const service = await new FakeNode().start(Aborting)
    expect(await within(1000, service.failed)).toMatchObject({ name: 'AbortError' })
  })
})

describe('skipping', () => {
  @Service()
  class Skipping {
    readonly handled: number[] = []
    @Consumer(In, { onError: 'skip' }) onIn({ n }: Datum): void {
      if (n % 2 === 1) throw new Error(`odd ${n}`)
      this.handled.push(n)
    }
  }

  test('a failing datum is counted and logged ever more rarely, and the next ones are handled', async () => {
    const node = new FakeNode()
    const service = await node.start(Skipping)
    node.consumer(In).push(...Array.from({ length: 12 }, (_, n) => ({ n })))
    const instance = FakeNode.instance(service, Skipping)
    await eventually(() => instance.handled.length === 6)
    const labels = { service: 'Skipping', method: 'onIn' }
    await eventually(() => node.metrics.value('mosaik_service_skipped_datums_total', labels) === 6)
    expect(node.logged).toEqual(
      [1, 3, 7].map((n) => `warn: Skipping.onIn failed on a datum, which is skipped: odd ${n}`),
    )
    await service.stop()
    expect(node.metrics.value('mosaik_service_skipped_datums_total', labels)).toBeUndefined()
  })
})

describe('stopping', () => {
  test('aborts the signal, waits for onStart and the call in flight, then calls onStop with a live signal', async () => {
    const trace: string[] = []
    let finishCall = (): void => undefined
    @Service()
    class Orderly implements OnStart, OnStop {
      async onStart({ signal }: ServiceContext): Promise<void> {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        trace.push('onStart ended')
      }
      @Consumer(In) async onIn(_datum: Datum): Promise<void> {
        await new Promise<void>((resolve) => {
          finishCall = resolve
        })
        trace.push('call ended')
      }
      onStop({ signal }: ServiceContext): void {
        trace.push(`onStop, aborted: ${signal.aborted}`)
      }
    }
    const node = new FakeNode()
    const service = await node.start(Orderly)
    node.consumer(In).push({ n: 1 }, { n: 2 })
    await eventually(() => node.consumer(In).waitingCount === 1)
    const stopped = service.stop()
    await eventually(() => trace.length === 1)
    finishCall()
    await within(1000, stopped)
    expect(trace).toEqual(['onStart ended', 'call ended', 'onStop, aborted: false'])
    expect(node.consumer(In).waitingCount).toBe(1)
  })

  test('a service that does not listen to its signal gets onStop after three seconds, which may end it', async () => {
    const clock = new ManualClock()
    let end = (): void => undefined
    @Service()
    class Deaf implements OnStart, OnStop {
      async onStart(): Promise<void> {
        await new Promise<void>((resolve) => {
          end = resolve
        })
      }
      onStop(): void {
        end()
      }
    }
    const node = new FakeNode({ clock })
    const service = await node.start(Deaf)
    const stopped = service.stop()
    await eventually(() => clock.pendingCount === 1)
    clock.advance(3_000)
    await within(1000, stopped)
    expect(node.logged).toEqual(['warn: service Deaf is still running 3 s after its signal aborted'])
  })

  test('an onStop that does not end is left behind after five seconds, and its signal says so', async () => {
    const clock = new ManualClock()
    let signal: AbortSignal | undefined
    @Service()
    class Slow implements OnStop {
      async onStop(context: ServiceContext): Promise<void> {
        signal = context.signal
        await new Promise(() => undefined)
      }
    }
    const node = new FakeNode({ clock })
    const service = await node.start(Slow)
    const stopped = service.stop()
    await eventually(() => signal !== undefined)
    clock.advance(5_000)
    await within(1000, stopped)
    expect(signal?.aborted).toBe(true)
    expect(node.logged).toEqual(['warn: service Slow did not stop within 5 s, going on without it'])
    expect(clock.pendingCount).toBe(0)
  })

  test('an onStop that throws is logged, and stopping twice stops once', async () => {
    @Service()
    class Failing implements OnStop {
      onStop(): void {
        throw new Error('cannot')
      }
    }
    const node = new FakeNode()
    const service = await node.start(Failing)
    await Promise.all([service.stop(), service.stop()])
    expect(node.logged).toEqual(['error: service Failing failed in onStop: cannot'])
  })

  test('a consumer that has ended does not end the service', async () => {
    const trace: string[] = []
    @Service()
    class Patient implements OnStop {
      @Consumer(In) onIn({ n }: Datum): void {
        trace.push(`datum ${n}`)
      }
      onStop(): void {
        trace.push('onStop')
      }
    }
    const node = new FakeNode()
    const service = await node.start(Patient)
    node.consumer(In).push({ n: 1 })
    node.consumer(In).end()
    await eventually(() => trace.length === 1)
    await service.stop()
    expect(trace).toEqual(['datum 1', 'onStop'])
  })
})

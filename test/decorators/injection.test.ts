import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { ManualClock } from '#framework/primitives'
import { stream } from '#framework/streams'
import { collect, Config, DeclarationError, Injectable, Producer, Service, type Class } from '#decorators'
import { eventually, within } from '../support/eventually.js'
import { FakeNode } from './fake-node.js'

const Out = stream('out', z.object({ n: z.number() }))

function problemsOf(ctor: Class): string[] {
  try {
    collect(ctor)
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error
    return error.problems.map(({ code, message }) => `${code} ${message}`)
  }
  return []
}

@Injectable()
class Ledger {
  readonly entries: string[] = []
}

@Injectable()
class Journal {
  constructor(readonly ledger: Ledger) {}
}

@Service()
class First {
  constructor(
    readonly journal: Journal,
    readonly ledger: Ledger,
  ) {}
}

@Service()
class Second {
  constructor(readonly ledger: Ledger) {}
}

describe('what a constructor gets', () => {
  test('instances of the classes that its parameters name, made with theirs', async () => {
    const first = FakeNode.instance(await new FakeNode().bind(First), First)
    expect(first.journal).toBeInstanceOf(Journal)
    expect(first.journal.ledger).toBe(first.ledger)
  })

  test('one instance a node, shared by its services; another node has its own', async () => {
    const [node, other] = [new FakeNode(), new FakeNode()]
    const first = FakeNode.instance(await node.bind(First), First)
    const second = FakeNode.instance(await node.bind(Second), Second)
    const elsewhere = FakeNode.instance(await other.bind(Second), Second)
    expect(second.ledger).toBe(first.ledger)
    expect(elsewhere.ledger).not.toBe(first.ledger)
  })

  test('no more than it declares: the container does not slip itself in', async () => {
    let received: unknown[] = []
    @Service()
    class Counting {
      constructor(_ledger: Ledger) {
        received = [...arguments]
      }
    }
    await new FakeNode().bind(Counting)
    expect(received).toEqual([expect.any(Ledger)])
  })

  test('nothing, for a parameter with a default that could not be injected', async () => {
    @Service()
    class Defaulted {
      constructor(
        readonly ledger: Ledger,
        readonly size = 7,
      ) {}
    }
    const instance = FakeNode.instance(await new FakeNode().bind(Defaulted), Defaulted)
    expect(instance.size).toBe(7)
    expect(instance.ledger).toBeInstanceOf(Ledger)
  })

  test("what its parent's constructor takes, when it has none of its own", async () => {
    @Service()
    class Child extends Second {}
    expect(FakeNode.instance(await new FakeNode().bind(Child), Child).ledger).toBeInstanceOf(Ledger)
  })

  test('the classes that deps lists, for compilers that record no types, also when the list is given later', async () => {
    class Untyped {
      readonly args: readonly unknown[]
      constructor(...args: readonly unknown[]) {
        this.args = args
      }
    }
    class Listed extends Untyped {}
    class Late extends Untyped {}
    Service({ deps: [Ledger, Journal] })(Listed)
    Service({ deps: () => [Journal] })(Late)
    const node = new FakeNode()
    expect(FakeNode.instance(await node.bind(Listed), Listed).args).toEqual([
      expect.any(Ledger),
      expect.any(Journal),
    ])
    expect(FakeNode.instance(await node.bind(Late), Late).args).toEqual([expect.any(Journal)])
  })

  test('an injectable class with its configuration, before anyone else has it', async () => {
    const config = z.object({ size: z.number() })
    @Injectable()
    class Pool {
      @Config(config) readonly config!: z.infer<typeof config>
    }
    @Service()
    class Swimmer {
      readonly size: number
      constructor(pool: Pool) {
        this.size = pool.config.size
      }
    }
    const node = new FakeNode({ config: { size: 25 } })
    expect(FakeNode.instance(await node.bind(Swimmer), Swimmer).size).toBe(25)
    expect(collect(Swimmer).binding.configProblems({})).toEqual([
      { service: 'Swimmer', path: ['size'], message: expect.any(String) },
    ])
  })
})

describe('the end of what was injected', () => {
  class Recorder {
    static disposed: string[] = []
  }

  @Injectable()
  class Store implements AsyncDisposable {
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.resolve()
      Recorder.disposed.push('Store')
    }
  }

  @Injectable()
  class Cache implements Disposable {
    constructor(readonly store: Store) {}
    [Symbol.dispose](): void {
      Recorder.disposed.push('Cache')
    }
  }

  @Service()
  class Reader {
    constructor(readonly cache: Cache) {}
  }

  @Service()
  class Writer {
    constructor(readonly store: Store) {}
  }

  test('comes with that of the last service, last made first', async () => {
    Recorder.disposed = []
    const node = new FakeNode()
    const reader = await node.start(Reader)
    const writer = await node.start(Writer)
    await reader.stop()
    expect(Recorder.disposed).toEqual([])
    await writer.stop()
    expect(Recorder.disposed).toEqual(['Cache', 'Store'])
  })

  test('comes at once when a service of it cannot be made', async () => {
    Recorder.disposed = []
    @Service()
    class Broken {
      constructor(_store: Store) {
        throw new Error('no')
      }
    }
    await expect(new FakeNode().bind(Broken)).rejects.toThrow('no')
    expect(Recorder.disposed).toEqual(['Store'])
  })

  test('takes two seconds at most, for all of them together, and what hangs does not keep the others', async () => {
    Recorder.disposed = []
    const clock = new ManualClock()
    @Injectable()
    class Hanging implements AsyncDisposable {
      constructor(readonly store: Store) {}
      async [Symbol.asyncDispose](): Promise<void> {
        Recorder.disposed.push('Hanging')
        await new Promise(() => undefined)
      }
    }
    @Service()
    class Holder {
      constructor(readonly hanging: Hanging) {}
    }
    const node = new FakeNode({ clock })
    const stopped = (await node.start(Holder)).stop()
    await eventually(() => Recorder.disposed.length === 1)
    clock.advance(2_000)
    await within(1000, stopped)
    // No time was left for the next one, but it was asked.
    expect(Recorder.disposed).toEqual(['Hanging', 'Store'])
    expect(node.logged).toEqual(['warn: Hanging did not dispose of itself in time'])
    expect(clock.pendingCount).toBe(0)
  })

  test('does not fail the node when it fails itself', async () => {
    @Injectable()
    class Clinging {
      [Symbol.dispose](): void {
        throw new Error('still in use')
      }
    }
    @Service()
    class Holder {
      constructor(readonly clinging: Clinging) {}
    }
    const node = new FakeNode()
    await (await node.start(Holder)).stop()
    expect(node.logged).toEqual(['warn: Clinging failed to dispose of itself: still in use'])
  })
})

describe('what cannot be injected', () => {
  interface Shape {
    readonly n: number
  }

  test.each([
    [
      'an interface',
      () => {
        @Service()
        class Wants {
          constructor(readonly it: Shape) {}
        }
        return Wants
      },
      "INJECTION_UNKNOWN_TYPE parameter 1 of Wants's constructor is an interface, a type alias or a union, which says nothing about what to inject",
    ],
    [
      'a text',
      () => {
        @Service()
        class Wants {
          constructor(
            readonly ledger: Ledger,
            readonly it: string,
          ) {}
        }
        return Wants
      },
      "INJECTION_UNKNOWN_TYPE parameter 2 of Wants's constructor is a string, which says nothing about what to inject",
    ],
    [
      'a class that is not injectable',
      () => {
        @Service()
        class Wants {
          constructor(readonly it: Map<string, string>) {}
        }
        return Wants
      },
      "INJECTION_NOT_INJECTABLE parameter 1 of Wants's constructor is Map, which is not decorated as injectable",
    ],
    [
      'a service',
      () => {
        @Service()
        class Wants {
          constructor(readonly it: Second) {}
        }
        return Wants
      },
      "INJECTION_OF_SERVICE parameter 1 of Wants's constructor is the service Second; services reach each other through streams only",
    ],
    [
      'a class that was not there yet',
      () => {
        class Wants {
          constructor(readonly it: unknown) {}
        }
        Service({ deps: [undefined as unknown as Class] })(Wants)
        return Wants
      },
      "INJECTION_UNKNOWN_TYPE parameter 1 of Wants's constructor has a class that was not there yet when Wants was evaluated",
    ],
    [
      'what nobody knows the types of',
      () => {
        class Wants {
          constructor(
            readonly a: unknown,
            readonly b: unknown,
          ) {}
        }
        Service()(Wants)
        return Wants
      },
      "INJECTION_UNKNOWN_TYPE Wants's constructor has 2 parameters, but none of their types is known",
    ],
    [
      'what cannot be read',
      () => {
        class Wants {}
        Service({
          deps: () => {
            throw new Error('not loaded')
          },
        })(Wants)
        return Wants
      },
      'INJECTION_UNKNOWN_TYPE the deps function of Wants throws: Error: not loaded',
    ],
  ] as const)('%s', (_what, declare, problem) => {
    expect(problemsOf(declare())).toEqual([problem])
  })

  test("what only a parent's constructor takes, and nobody knows", () => {
    class Parent {
      constructor(readonly it: number) {}
    }
    @Service()
    class Child extends Parent {}
    expect(problemsOf(Child)).toEqual([expect.stringContaining("Parent's constructor has 1 parameters")])
    @Service({ deps: [] })
    class Content extends Parent {
      constructor() {
        super(1)
      }
    }
    expect(problemsOf(Content)).toEqual([])
  })

  test('classes that need each other', () => {
    class Hen {
      constructor(readonly egg: unknown) {}
    }
    class Egg {
      constructor(readonly hen: unknown) {}
    }
    Injectable({ deps: () => [Egg] })(Hen)
    Injectable({ deps: () => [Hen] })(Egg)
    @Service()
    class Farm {
      constructor(readonly hen: Hen) {}
    }
    expect(problemsOf(Farm)).toEqual([
      'INJECTION_CYCLE Hen → Egg → Hen: each needs the next one to be made first',
    ])
  })

  test('an injectable class with streams, or with a misplaced decorator', () => {
    @Injectable()
    class Sneaky {
      @Producer(Out) readonly out!: Producer<{ n: number }>
    }
    Config(z.object({}))(Sneaky as unknown as { x: object }, 'x')
    @Service()
    class Uses {
      constructor(readonly sneaky: Sneaky) {}
    }
    expect(problemsOf(Uses)).toEqual([
      'PORT_OUTSIDE_SERVICE Sneaky.out: an injectable class cannot have streams',
      'DECORATOR_MISPLACED Sneaky.x: @Config goes on a property, and is on a static member',
    ])
  })
})

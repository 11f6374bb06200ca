import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { nearest } from '#framework/discovery'
import { stream } from '#framework/streams'
import { codeOf } from '#framework/primitives'
import {
  collect,
  Config,
  Consumer,
  DeclarationError,
  Injectable,
  Producer,
  Service,
  servicesIn,
  type Class,
} from '#decorators'

const datum = z.object({ n: z.number() })
type Datum = z.infer<typeof datum>
const Out = stream('out', datum)
const In = stream('in', datum)
const Other = stream('other', datum)

/** The problems of a class that cannot be collected, as `CODE message`. */
function problemsOf(ctor: Class): string[] {
  try {
    collect(ctor)
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error
    expect(codeOf(error)).toBe('SERVICE_DECLARATION')
    for (const { hint } of error.problems) expect(hint).not.toBe('')
    return error.problems.map(({ code, message }) => `${code} ${message}`)
  }
  return []
}

describe('what a class declares', () => {
  test('given decorated members, each is a port with its stream, member and plain options', () => {
    @Service({ tags: ['edge'] })
    class Relay {
      @Producer(Out, { queue: 8, require: () => true }) readonly out!: Producer<Datum>
      @Consumer(Other, { windowBytes: 100 }) readonly other!: Consumer<Datum>
      @Consumer(In, { concurrency: 2 })
      onIn(_datum: Datum): void {}
    }
    const { declaration } = collect(Relay)
    expect(declaration).toEqual({
      name: 'Relay',
      tags: ['edge'],
      produces: [
        {
          stream: 'out',
          id: Out.id,
          fingerprint: Out.fingerprint,
          shape: Out.shape,
          member: 'out',
          options: { queue: 8, require: true },
        },
      ],
      configKeys: [],
      consumes: [
        {
          stream: 'in',
          id: In.id,
          fingerprint: In.fingerprint,
          shape: In.shape,
          member: 'onIn',
          options: { concurrency: 2 },
        },
        {
          stream: 'other',
          id: Other.id,
          fingerprint: Other.fingerprint,
          shape: Other.shape,
          member: 'other',
          options: { windowBytes: 100 },
        },
      ],
    })
    expect(JSON.parse(JSON.stringify(declaration))).toEqual(declaration)
  })

  test('a service without streams is a service', () => {
    @Service()
    class Idle {}
    expect(collect(Idle).declaration).toEqual({
      name: 'Idle',
      tags: [],
      produces: [],
      consumes: [],
      configKeys: [],
    })
  })

  test('the decorator works without parentheses, and takes a name', () => {
    @Service
    class Bare {}
    @Service({ name: 'a-name' })
    class Named {}
    expect(collect(Bare).declaration.name).toBe('Bare')
    expect(collect(Named).declaration.name).toBe('a-name')
  })

  test('plain JavaScript calls the decorators as functions', () => {
    class Greeter {
      onIn(): void {}
    }
    const decorate = (decorator: unknown, member: string): void =>
      (decorator as (target: object, key: string) => void)(Greeter.prototype, member)
    decorate(Producer(Out), 'out')
    decorate(Consumer(In), 'onIn')
    Service()(Greeter)
    const { declaration } = collect(Greeter)
    expect(declaration.produces.map(({ member }) => member)).toEqual(['out'])
    expect(declaration.consumes.map(({ member }) => member)).toEqual(['onIn'])
  })

  test('every option appears in a form that JSON has', () => {
    @Service()
    class Elaborate {
      @Producer(Out, { stallTimeoutMs: Infinity, replay: { last: 10, for: 1_000 }, ack: true })
      readonly out!: Producer<Datum>
      @Consumer(In, {
        prefer: nearest(2),
        backoff: () => ({ next: () => 1, reset: () => {} }),
        name: 'books',
      })
      onIn(_datum: Datum): void {}
    }
    const { produces, consumes } = collect(Elaborate).declaration
    expect(produces[0]?.options).toEqual({
      stallTimeoutMs: 'Infinity',
      replay: { last: 10, for: 1_000 },
      ack: true,
    })
    expect(consumes[0]?.options).toMatchObject({
      prefer: { k: 2, latency: true, maxRttMs: 'Infinity' },
      backoff: true,
      name: 'books',
    })
  })

  test('two producers of one stream share one, and either may say how it is produced', () => {
    @Service()
    class Sharing {
      @Producer(Out) readonly a!: Producer<Datum>
      @Producer(Out, { queue: 8 }) readonly b!: Producer<Datum>
    }
    expect(collect(Sharing).declaration.produces.map(({ member }) => member)).toEqual(['a', 'b'])
  })

  test('two consumers of one stream are two subscriptions of one class', () => {
    @Service()
    class Twice {
      @Consumer(In) readonly first!: Consumer<Datum>
      @Consumer(In) onIn(_datum: Datum): void {}
    }
    expect(collect(Twice).declaration.consumes.map(({ member }) => member)).toEqual(['first', 'onIn'])
  })
})

describe('inheritance', () => {
  class Base {
    @Producer(Out) readonly out!: Producer<Datum>
    @Consumer(In) onIn(_datum: Datum): void {}
  }

  @Service()
  class Derived extends Base {
    @Consumer(Other) onOther(_datum: Datum): void {}
  }

  @Service()
  class Sibling extends Base {
    // The member is declared again: the parent's declaration no longer counts.
    @Consumer(Other) override onIn(_datum: Datum): void {}
  }

  const members = (ctor: Class): string[] => {
    const { produces, consumes } = collect(ctor).declaration
    return [...produces, ...consumes].map(({ stream: name, member }) => `${member} ${name}`)
  }

  test('a class has the ports of its parents, and its siblings do not have its own', () => {
    expect(members(Derived)).toEqual(['out out', 'onIn in', 'onOther other'])
    expect(members(Sibling)).toEqual(['out out', 'onIn other'])
  })

  test('a class that inherits from a service is none by that', () => {
    class Grandchild extends Derived {}
    expect(problemsOf(Grandchild)).toEqual([
      'SERVICE_NOT_DECORATED Grandchild is not decorated with @Service()',
    ])
  })
})

describe('services of a module', () => {
  @Injectable()
  class Helper {}
  class Base {
    @Producer(Out) readonly out!: Producer<Datum>
  }
  @Service()
  class First extends Base {}
  @Service()
  class Second {}

  test('are the exported service classes, each once; helpers and parents are passed over', () => {
    const module = { default: Second, First, Base, Second, Helper, Out, answer: 42, plain: () => undefined }
    expect(servicesIn(module).map(({ declaration }) => declaration.name)).toEqual(['Second', 'First'])
  })

  test('a class with streams that is no service was probably meant to be one', () => {
    class Forgotten {
      @Producer(Out) readonly out!: Producer<Datum>
    }
    expect(() => servicesIn({ Forgotten })).toThrow('Forgotten is not decorated with @Service()')
  })

  test('that are wrong are reported together', () => {
    @Service({ name: 'a b' })
    class Third {}
    @Service({ name: 'c d' })
    class Fourth {}
    expect(() => servicesIn({ Third, Fourth, First })).toThrow(
      expect.objectContaining({
        service: 'Third, Fourth',
        problems: [
          expect.objectContaining({ code: 'SERVICE_NAME_INVALID' }),
          expect.objectContaining({ code: 'SERVICE_NAME_INVALID' }),
        ],
      }),
    )
  })
})

describe('what cannot be', () => {
  test('manual acknowledgement on a method, which has nothing to acknowledge with', () => {
    @Service()
    class Manual {
      @Consumer(In, { ack: 'manual' }) onIn(_datum: Datum): void {}
      @Consumer(In, { ack: 'manual' }) readonly in!: Consumer<Datum>
    }
    expect(problemsOf(Manual)).toEqual(['OPTION_INVALID Manual.onIn: ack cannot be "manual" on a method'])
  })

  test('a class without @Service', () => {
    class Plain {}
    expect(problemsOf(Plain)).toEqual(['SERVICE_NOT_DECORATED Plain is not decorated with @Service()'])
  })

  test('every problem of a class is reported at once, and the message has them with their hints', () => {
    class Wrong {
      @Consumer(In, { concurrency: 0 }) onIn(_datum: Datum): void {}
      @Producer(undefined as unknown as typeof Out) readonly out!: Producer<Datum>
    }
    expect(problemsOf(Wrong)).toHaveLength(3)
    expect(() => collect(Wrong)).toThrow(
      [
        'not declared correctly: Wrong',
        '  SERVICE_NOT_DECORATED  Wrong is not decorated with @Service()',
        '    put @Service() above the class; a class that inherits from a service needs one of its own',
        '  OPTION_INVALID  Wrong.onIn: concurrency cannot be 0',
        '    a whole number, at least 1',
        '  STREAM_DEFINITION_INVALID  Wrong.out: undefined is no stream definition',
        '    the file that defines the stream is probably still being loaded: files that import each other cannot share one at class level',
      ].join('\n'),
    )
  })

  test('decorators on members that they do not fit', () => {
    const misplace = (decorator: unknown, ...args: readonly unknown[]): void =>
      (decorator as (...all: readonly unknown[]) => void)(...args)

    @Service()
    class Misplaced {
      static wide: unknown
      onIn(): void {}
      get value(): number {
        return 1
      }
    }
    const { prototype } = Misplaced
    misplace(Producer(Out), prototype, 'onIn', Object.getOwnPropertyDescriptor(prototype, 'onIn'))
    misplace(Consumer(In), prototype, 'value', Object.getOwnPropertyDescriptor(prototype, 'value'))
    misplace(Config(datum), Misplaced, 'wide')
    misplace(Consumer(Other), Misplaced)
    misplace(Producer(Other), Misplaced, undefined, 0)
    expect(problemsOf(Misplaced).sort()).toEqual([
      'DECORATOR_MISPLACED Misplaced.onIn: @Producer goes on a property, and is on a method',
      'DECORATOR_MISPLACED Misplaced.value: @Consumer goes on a property or a method, and is on an accessor',
      'DECORATOR_MISPLACED Misplaced.wide: @Config goes on a property, and is on a static member',
      'DECORATOR_MISPLACED Misplaced: @Consumer goes on a property or a method, and is on a class',
      'DECORATOR_MISPLACED Misplaced: @Producer goes on a property, and is on a parameter',
    ])
  })

  test('the same, as compilers of standard decorators say it', () => {
    const metadata = {}
    class Misplaced {}
    Object.defineProperty(Misplaced, Symbol.for('Symbol.metadata'), { value: metadata })
    const decorate = (decorator: unknown, context: object): void =>
      (decorator as (value: unknown, context: object) => void)(undefined, { metadata, ...context })
    decorate(Producer(Out), { kind: 'method', name: 'onIn', static: false })
    decorate(Consumer(In), { kind: 'getter', name: 'value', static: false })
    decorate(Config(datum), { kind: 'field', name: 'wide', static: true })
    decorate(Producer(Other), { kind: 'accessor', name: 'auto', static: false })
    decorate(Service(), { kind: 'class', name: 'Misplaced' })
    expect(problemsOf(Misplaced)).toEqual([
      'DECORATOR_MISPLACED Misplaced.onIn: @Producer goes on a property, and is on a method',
      'DECORATOR_MISPLACED Misplaced.value: @Consumer goes on a property or a method, and is on an accessor',
      'DECORATOR_MISPLACED Misplaced.auto: @Producer goes on a property, and is on an accessor',
      'DECORATOR_MISPLACED Misplaced.wide: @Config goes on a property, and is on a static member',
    ])
  })

  test('decorators of a compiler that records no metadata complain at once', () => {
    const decorate = Producer(Out) as unknown as (value: undefined, context: object) => void
    expect(() => decorate(undefined, { kind: 'field', name: 'out', static: false })).toThrow(
      expect.objectContaining({ code: 'DECORATOR_DIALECT' }),
    )
  })

  test('a class decorator on a member complains at once', () => {
    const onMember = Service() as unknown as (target: object, key: string) => void
    expect(() => onMember({}, 'member')).toThrow('a decorator for classes is on the property "member"')
  })

  test('one member with two decorators', () => {
    @Service()
    class Both {
      @Producer(Out) @(Consumer(In) as unknown as PropertyDecorator) readonly port!: Producer<Datum>
    }
    expect(problemsOf(Both)).toEqual([
      'MEMBER_DECORATED_TWICE Both.port: the member has both @Consumer and @Producer',
    ])
  })

  test('two producers of one stream that both have options', () => {
    @Service()
    class Twice {
      @Producer(Out, { queue: 1 }) readonly a!: Producer<Datum>
      @Producer(Out, { queue: 2 }) readonly b!: Producer<Datum>
    }
    expect(problemsOf(Twice)).toEqual([
      'STREAM_PRODUCED_TWICE Twice.a and Twice.b both have options for producing stream "out"',
    ])
  })

  test('one stream with two schemas', () => {
    const Redefined = stream('out', z.object({ n: z.string() }))
    @Service()
    class Confused {
      @Producer(Out) readonly out!: Producer<Datum>
      @Consumer(Redefined) onOut(_datum: { n: string }): void {}
    }
    expect(problemsOf(Confused)).toEqual([
      'STREAM_SCHEMA_CONFLICT Confused.out and Confused.onOut declare stream "out" with two schemas',
    ])
  })

  test('something else than a definition', () => {
    @Service()
    class Undefined {
      @Consumer({ name: 'in' } as unknown as typeof In) onIn(_datum: Datum): void {}
    }
    expect(problemsOf(Undefined)).toEqual([
      'STREAM_DEFINITION_INVALID Undefined.onIn: object is no stream definition',
    ])
  })

  test.each([0, -1, 1.5, Number.NaN, Infinity])('concurrency %p', (concurrency) => {
    @Service()
    class Busy {
      @Consumer(In, { concurrency }) onIn(_datum: Datum): void {}
    }
    expect(problemsOf(Busy)).toEqual([`OPTION_INVALID Busy.onIn: concurrency cannot be ${concurrency}`])
  })

  test('an unknown way to deal with errors, and options for methods on a handle', () => {
    @Service()
    class Odd {
      @Consumer(In, { onError: 'ignore' as 'skip' }) onIn(_datum: Datum): void {}
      @Consumer(Other, { onError: 'skip' }) readonly other!: Consumer<Datum>
    }
    expect(problemsOf(Odd).sort()).toEqual([
      'OPTION_INVALID Odd.onIn: onError cannot be "ignore"',
      'OPTION_INVALID Odd.other: "concurrency" and "onError" are for methods',
    ])
  })

  test('a hook that is no method, and a name that cannot be one', () => {
    @Service({ name: 'not a name' })
    class Odd {
      get onStart(): number {
        return 1
      }
    }
    expect(problemsOf(Odd)).toEqual([
      expect.stringContaining('SERVICE_NAME_INVALID "not a name" cannot name a service'),
      'HOOK_INVALID Odd.onStart is no method',
    ])
  })
})

import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import type { TicketValidator } from '#framework/discovery'
import { digestOf } from '#framework/primitives'
import { stream } from '#framework/streams'
import {
  collect,
  Consumer,
  DeclarationError,
  launch,
  Producer,
  RequireTicket,
  Service,
  type Class,
} from '#decorators'
import { eventually, within } from '../support/eventually.js'

const datum = z.object({ n: z.number() })
type Datum = z.infer<typeof datum>
const Out = stream('tickets.out', datum)
const In = stream('tickets.in', datum)

/** Accepts the tickets of one class that consist of a word. */
function passOf(word: string): TicketValidator {
  const ticketClass = digestOf(`pass ${word}`)
  return {
    class: ticketClass,
    signature: digestOf(`pass ${word} validator`),
    validate: (data) => (new TextDecoder().decode(data) === word ? 'never' : 'invalid'),
  }
}

const ticketFor = (word: string) => ({
  class: passOf(word).class,
  data: new TextEncoder().encode(word),
})

const [red, green, blue] = [passOf('red'), passOf('green'), passOf('blue')]

/** The signatures of what each member requires of its peers. */
function required(ctor: Class): Record<string, readonly string[]> {
  const { produces, consumes } = collect(ctor).declaration
  return Object.fromEntries(
    [...produces, ...consumes].map(({ member, options }) => [
      member,
      ((options.requireTicket ?? []) as { readonly signature: string }[]).map(({ signature }) => signature),
    ]),
  )
}

const signatures = (...validators: readonly TicketValidator[]): string[] =>
  validators.map(({ signature }) => signature).sort()

function problemsOf(ctor: Class): string[] {
  try {
    collect(ctor)
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error
    return error.problems.map(({ code, message }) => `${code} ${message}`)
  }
  return []
}

describe('what @RequireTicket declares', () => {
  test('given it on members and on the class, each stream requires the tickets of both', () => {
    @RequireTicket(red)
    @Service()
    class Guarded {
      @RequireTicket(green) @Producer(Out) readonly out!: Producer<Datum>
      @Consumer(In) readonly in!: Consumer<Datum>
    }
    expect(required(Guarded)).toEqual({ out: signatures(red, green), in: signatures(red) })
  })

  test('given it several times and in any order, every validator counts, once', () => {
    @Service()
    @RequireTicket(blue)
    class Before {
      @RequireTicket(red) @RequireTicket(green) @Consumer(In) onIn(_datum: Datum): void {}
    }
    @RequireTicket(blue)
    @Service()
    class After {
      @Consumer(In) @RequireTicket(green) @RequireTicket(blue) @RequireTicket(red) onIn(
        _datum: Datum,
      ): void {}
    }
    expect(required(Before)).toEqual({ onIn: signatures(red, green, blue) })
    expect(collect(After).declaration.consumes).toEqual(collect(Before).declaration.consumes)
  })

  test('given the option too, both count', () => {
    @Service()
    class Both {
      @RequireTicket(red) @Consumer(In, { requireTicket: [green, blue] }) readonly many!: Consumer<Datum>
      @RequireTicket(red) @Producer(Out, { requireTicket: green }) readonly one!: Producer<Datum>
    }
    expect(required(Both)).toEqual({ one: signatures(red, green), many: signatures(red, green, blue) })
  })

  test('given a subclass, it can add to what its parents require and take nothing away', () => {
    @RequireTicket(red)
    class Base {
      @RequireTicket(green) @Consumer(In) onIn(_datum: Datum): void {}
    }
    @Service()
    class Derived extends Base {
      @Consumer(In) override onIn(_datum: Datum): void {}
      @RequireTicket(blue) @Producer(Out) readonly out!: Producer<Datum>
    }
    @Service()
    class Sibling extends Base {}
    expect(required(Derived)).toEqual({ onIn: signatures(red, green), out: signatures(red, blue) })
    expect(required(Sibling)).toEqual({ onIn: signatures(red, green) })
  })

  test('given a validator with a secret in it, the declaration has its class and signature only', () => {
    const secretive = { ...red, secret: 'hush' }
    @Service()
    class Careful {
      @RequireTicket(secretive) @Consumer(In) readonly in!: Consumer<Datum>
    }
    expect(collect(Careful).declaration.consumes[0]?.options).toEqual({
      requireTicket: [{ class: red.class, signature: red.signature }],
    })
  })

  test('given standard decorators, it records the same', () => {
    class Standard {}
    const metadata = {}
    Object.defineProperty(Standard, Symbol.for('Symbol.metadata'), { value: metadata })
    const decorate = (decorator: unknown, context: object): void =>
      (decorator as (value: unknown, context: object) => void)(undefined, { metadata, ...context })
    decorate(RequireTicket(green), { kind: 'method', name: 'onIn', static: false })
    decorate(Consumer(In), { kind: 'method', name: 'onIn', static: false })
    decorate(Producer(Out), { kind: 'field', name: 'out', static: false })
    decorate(RequireTicket(red), { kind: 'class', name: 'Standard' })
    decorate(Service(), { kind: 'class', name: 'Standard' })
    expect(required(Standard)).toEqual({ onIn: signatures(red, green), out: signatures(red) })
  })
})

describe('what is wrong with a use of @RequireTicket', () => {
  test('no stream on the member, or in the class', () => {
    @Service()
    @RequireTicket(red)
    class Streamless {
      @RequireTicket(red) readonly plain!: number
      @RequireTicket(red) run(): void {}
    }
    expect(problemsOf(Streamless)).toEqual([
      'TICKET_WITHOUT_STREAM Streamless.plain: @RequireTicket is on a property without @Producer, @Consumer or @Group',
      'TICKET_WITHOUT_STREAM Streamless.run: @RequireTicket is on a method without @Producer, @Consumer or @Group',
      'TICKET_WITHOUT_STREAM Streamless: @RequireTicket is on a class without @Producer, @Consumer or @Group',
    ])
  })

  test('something that is no validator', () => {
    @RequireTicket(undefined as unknown as TicketValidator)
    @Service()
    class Unjudged {
      @RequireTicket({ class: red.class } as unknown as TicketValidator)
      @Consumer(In)
      onIn(_datum: Datum): void {}
    }
    expect(problemsOf(Unjudged)).toEqual([
      'TICKET_VALIDATOR_INVALID Unjudged.onIn: object is no ticket validator',
      'TICKET_VALIDATOR_INVALID Unjudged: undefined is no ticket validator',
    ])
  })

  test('a place where nothing can be required', () => {
    @Service()
    class Misplaced {
      @Consumer(In) readonly in!: Consumer<Datum>
      get value(): number {
        return 1
      }
      static wide: unknown
    }
    const place = RequireTicket(red) as (target: object, key: string) => void
    place(Misplaced.prototype, 'value')
    place(Misplaced, 'wide')
    expect(problemsOf(Misplaced)).toEqual([
      'DECORATOR_MISPLACED Misplaced.value: @RequireTicket goes on a class, a property or a method, and is on an accessor',
      'DECORATOR_MISPLACED Misplaced.wide: @RequireTicket goes on a class, a property or a method, and is on a static member',
    ])
  })
})

describe('what @RequireTicket does', () => {
  test('given services that require a ticket of each other, a datum flows once both nodes show it, and strangers get nothing', async () => {
    @Service()
    class Source {
      @RequireTicket(red) @Producer(Out) readonly out!: Producer<Datum>
    }
    @Service()
    @RequireTicket(green)
    class Sink {
      readonly received: number[] = []
      @Consumer(Out) onOut({ n }: Datum): void {
        this.received.push(n)
      }
    }
    @Service()
    class Stranger {
      @Consumer(Out) readonly out!: Consumer<Datum>
    }
    await using net = await launch({
      network: `require-ticket-${process.pid}`,
      services: [Source, Sink, Stranger],
    })
    const { out } = net.service(Source)
    const refusals = () =>
      net.service(Stranger).out.subscriptions.value.map(({ lastClose }) => lastClose?.code)
    await eventually(() => expect(refusals()).toEqual([10403]))
    expect(out.subscriptions.value).toEqual([])

    net.node('sink').discovery.update(() => ({ tickets: [ticketFor('red')] }))
    net.node('source').discovery.update(() => ({ tickets: [ticketFor('green')] }))
    await within(10_000, out.send({ n: 1 }))
    await eventually(() => expect(net.service(Sink).received).toEqual([1]))
    expect(out.subscriptions.value.map(({ consumer }) => consumer)).toEqual([net.node('sink').info.peerId])
  })
})

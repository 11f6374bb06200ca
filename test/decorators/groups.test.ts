// What classes say of groups: what becomes of it, and what is said of mistakes.
import { describe, expect, test } from '@jest/globals'
import type { TicketValidator } from '#framework/discovery'
import { GroupKey } from '#framework/groups'
import { digestOf, nextTurn } from '#framework/primitives'
import {
  collect,
  Consumer,
  DeclarationError,
  Group,
  Injectable,
  OnFollower,
  OnLeader,
  RequireTicket,
  Service,
  servicesIn,
  type Class,
  type RoleContext,
} from '#decorators'
import { stream } from '#framework/streams'
import { z } from 'zod'
import { Counter } from './counter.js'
import { FakeNode } from './fake-node.js'

const Ticks = stream('groups.ticks', z.object({ n: z.number() }))

const ticket = (name: string): TicketValidator => ({
  class: digestOf('test'),
  signature: digestOf(name),
  validate: () => ({ expiresAtMs: Infinity }) as never,
})

function problemsOf(ctor: Class): string[] {
  try {
    collect(ctor)
  } catch (error) {
    if (error instanceof DeclarationError)
      return error.problems.map(({ code, message }) => `${code} ${message}`)
    throw error
  }
  return []
}

@Service()
class Keeper {
  @Group('tally', { machine: Counter, voters: 3, consistency: 'lease' }) readonly tally!: Group<Counter>
  @OnLeader() settle(): void {}
  @OnLeader('tally') audit(): void {}
  @OnFollower() watch(): void {}
}

describe('declared', () => {
  test('given a class with a group, the declaration says which, how, and what runs in which role', () => {
    expect(collect(Keeper).declaration.groups).toEqual([
      {
        group: 'tally',
        machine: 'test.counter',
        role: 'member',
        member: 'tally',
        onLeader: ['audit', 'settle'],
        onFollower: ['watch'],
        options: { voters: 3, consistency: 'lease' },
      },
    ])
  })

  test('given several groups, they are in the order of their names, and each has its own methods', () => {
    @Service()
    class Both {
      @Group('b', { machine: () => new Counter() }) readonly second!: Group<Counter>
      @Group('a', { machine: Counter, role: 'reader' }) readonly first!: Group<Counter>
      @OnLeader('b') leadB(): void {}
      @OnFollower('a') followA(): void {}
    }
    expect(
      collect(Both).declaration.groups?.map(({ group, role, onLeader, onFollower }) => [
        group,
        role,
        onLeader,
        onFollower,
      ]),
    ).toEqual([
      ['a', 'reader', [], ['followA']],
      ['b', 'member', ['leadB'], []],
    ])
  })

  test('given a class without groups, its declaration does not mention any', () => {
    @Service()
    class Plain {}
    expect(collect(Plain).declaration).not.toHaveProperty('groups')
  })

  test('given a key, the declaration shows which and not what it is', () => {
    const key = GroupKey.random()
    @Service()
    class Closed {
      @Group('tally', { machine: Counter, key }) readonly tally!: Group<Counter>
    }
    const { declaration } = collect(Closed)
    expect(JSON.stringify(declaration)).not.toContain(key.toHex())
    expect(declaration.groups?.[0]?.options['key']).toBe(String(key))
  })

  test('given @RequireTicket on the member and on the class, members have to show both', () => {
    const [own, all] = [ticket('own'), ticket('all')]
    @RequireTicket(all)
    @Service()
    class Guarded {
      @RequireTicket(own) @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
    }
    const required = collect(Guarded).declaration.groups?.[0]?.options['requireTicket']
    expect(required).toEqual(
      [own, all]
        .map(({ class: ticketClass, signature }) => ({ class: ticketClass, signature }))
        .sort((a, b) => (a.signature < b.signature ? -1 : 1)),
    )
  })

  test('given a subclass that declares the member again, its own counts', () => {
    @Service()
    class Child extends Keeper {
      @Group('tally', { machine: Counter, voters: 5 }) declare readonly tally: Group<Counter>
    }
    expect(collect(Child).declaration.groups).toEqual([
      expect.objectContaining({ onLeader: ['audit', 'settle'], options: { voters: 5 } }),
    ])
  })
})

describe('mistakes', () => {
  test('decorators where they do not fit', () => {
    @Service()
    class Misplaced {
      @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
      // @ts-expect-error it goes on a property
      @Group('other', { machine: Counter }) method(): void {}
      // @ts-expect-error it goes on a method
      @OnLeader() readonly property!: string
      @OnFollower() @Consumer(Ticks) both(): void {}
    }
    expect(problemsOf(Misplaced)).toEqual([
      'DECORATOR_MISPLACED Misplaced.method: @Group goes on a property, and is on a method',
      'DECORATOR_MISPLACED Misplaced.property: @OnLeader goes on a method, and is on a property',
      'MEMBER_DECORATED_TWICE Misplaced.both: the member has both @Consumer and @OnFollower',
      expect.stringMatching(/^ROLE_AMBIGUOUS Misplaced.property: /),
      expect.stringMatching(/^ROLE_AMBIGUOUS Misplaced.both: /),
    ])
  })

  test('methods of a role without a group, of no known group, and of which of several', () => {
    @Service()
    class None {
      @OnLeader() lead(): void {}
    }
    @Service()
    class Mistyped {
      @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
      @OnLeader('taly') lead(): void {}
    }
    expect(problemsOf(None)).toEqual([
      'ROLE_WITHOUT_GROUP None.lead: @OnLeader is in a class that takes part in no group',
    ])
    expect(problemsOf(Mistyped)).toEqual([
      'GROUP_UNKNOWN Mistyped.lead: the class takes part in no group "taly"',
    ])
    expect(() => collect(Mistyped)).toThrow('did you mean "tally"?')
  })

  test('what makes no state machine, and options that cannot be', () => {
    const missing = undefined as unknown as typeof Counter
    const half = (() => ({ apply: 1 })) as unknown as () => Counter
    const broken = (): Counter => {
      throw new Error('out of order')
    }
    @Service()
    class Wrong {
      @Group('a', { machine: missing }) readonly a!: Group<Counter>
      @Group('b', { machine: half, voters: 0 }) readonly b!: Group<Counter>
      @Group('c', { machine: broken }) readonly c!: Group<Counter>
      @Group('d', { machine: Counter, consistency: 'eventual' as 'local', evictAfterMs: -1 })
      readonly d!: Group<Counter>
      @Group('d', { machine: Counter }) readonly again!: Group<Counter>
    }
    expect(problemsOf(Wrong)).toEqual([
      'GROUP_MACHINE_INVALID Wrong.a: undefined makes no state machine',
      'GROUP_MACHINE_INVALID Wrong.b: half makes no state machine',
      'OPTION_INVALID Wrong.b: voters cannot be 0',
      'GROUP_MACHINE_INVALID Wrong.c: no state machine can be made: out of order',
      'OPTION_INVALID Wrong.d: evictAfterMs cannot be -1',
      'OPTION_INVALID Wrong.d: consistency cannot be "eventual"',
      'GROUP_DECLARED_TWICE Wrong.d and Wrong.again both take part in group "d"',
    ])
  })

  test('groups outside of services', () => {
    @Injectable()
    class Helper {
      @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
    }
    @Service({ deps: [Helper] })
    class Needy {
      constructor(readonly helper: Helper) {}
    }
    class Forgotten {
      @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
    }
    expect(problemsOf(Needy)).toEqual([
      'GROUP_OUTSIDE_SERVICE Helper.tally: an injectable class cannot take part in groups',
    ])
    expect(() => servicesIn({ Forgotten })).toThrow('Forgotten is not decorated with @Service()')
  })
})

describe('on a node', () => {
  test('given a service with a group, it has the handle before onStart, joined as it says', async () => {
    let held: unknown
    @Service()
    class Early {
      @Group('tally', { machine: Counter, voters: 3, leadership: 'reluctant' })
      readonly tally!: Group<Counter>
      onStart(): void {
        held = this.tally.id
      }
    }
    const node = new FakeNode()
    const service = await node.start(Early)
    expect(held).toBe(digestOf('tally'))
    const { machine, ...options } = node.group('tally').options
    expect(options).toEqual({ maxVoters: 3, leadership: 'reluctant' })
    expect((machine as () => unknown)()).toBeInstanceOf(Counter)
    await service.stop()
  })

  test('given a leader, its method gets a signal and the term, and is called on the instance', async () => {
    const terms: unknown[] = []
    @Service()
    class Leading {
      @Group('tally', { machine: Counter }) readonly tally!: Group<Counter>
      readonly name = 'leading'
      @OnLeader() lead({ term, signal, node }: RoleContext): void {
        terms.push([this.name, term, signal.aborted, node.name])
      }
    }
    const node = new FakeNode()
    const service = await node.start(Leading)
    expect(terms).toEqual([])
    node.group('tally').become({ phase: 'online', role: 'leader', term: 4 })
    await nextTurn()
    expect(terms).toEqual([['leading', 4, false, 'node']])
    await service.stop()
  })

  test('given a group that fails, its service fails with the cause', async () => {
    const node = new FakeNode()
    const service = await node.start(Keeper)
    const cause = new Error('apply threw')
    node.group('tally').end({ phase: 'failed', cause })
    expect(await service.failed).toMatchObject({ message: 'group tally has failed: apply threw', cause })
    await service.stop()
  })

  test('given a group that was left in order, its service goes on', async () => {
    const node = new FakeNode()
    const service = await node.start(Keeper)
    node.group('tally').end({ phase: 'left' })
    const failed = await Promise.race([service.failed, Promise.resolve('goes on')])
    expect(failed).toBe('goes on')
    await service.stop()
  })
})

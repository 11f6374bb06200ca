// What compiles and what must not, of the types of groups. Nothing here runs. Each `@ts-expect-error` fails the type check
// when the mistake below it goes unnoticed.
import { z } from 'zod'
import {
  Group,
  GroupKey,
  OnFollower,
  OnLeader,
  schemaCodec,
  type ApplyContext,
  type Executed,
  type GroupStatus,
  type RoleContext,
  type StateMachine,
} from 'mosaik'

/** Compiles when both are the very same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : ['not the same', A, B]
declare function same<A, B>(isSame: Same<A, B>): void

const order = z.object({ id: z.string(), price: z.number() })
const command = z.union([z.object({ place: order }), z.object({ cancel: z.string() })])
const fills = z.array(z.object({ bid: z.string(), ask: z.string() }))
const query = z.enum(['top', 'depth'])

type Command = z.infer<typeof command>
type Fills = z.infer<typeof fills>
type Query = z.infer<typeof query>

class OrderBook implements StateMachine<Command, Fills, Query, number> {
  readonly signature = 'types.order-book'
  readonly codecs = {
    command: schemaCodec(command),
    result: schemaCodec(fills),
    query: schemaCodec(query),
    answer: schemaCodec(z.number()),
  }

  apply(placed: Command, { index }: ApplyContext): Fills {
    return 'place' in placed ? [{ bid: placed.place.id, ask: String(index) }] : []
  }

  query(asked: Query): number {
    return asked === 'top' ? 1 : 2
  }
}

export async function whatIsSubmittedAndComesBackHasTheTypesOfTheMachine(
  book: Group<OrderBook>,
): Promise<void> {
  const executed = await book.execute({ place: { id: 'a', price: 1 } })
  same<typeof executed, Executed<Fills>>(true)
  const [first] = await book.executeMany([{ cancel: 'a' }])
  same<typeof first, Executed<Fills> | undefined>(true)
  const { committed } = await book.feed({ cancel: 'a' })
  same<Awaited<typeof committed>, Executed<Fills>>(true)
  const { answer } = await book.query('top', { consistency: 'lease', minIndex: executed.index })
  same<typeof answer, number>(true)
  const status = await book.when().online()
  same<typeof status, GroupStatus>(true)
  // @ts-expect-error there is no such command
  await book.execute({ remove: 'a' })
  // @ts-expect-error a price is a number
  await book.execute({ place: { id: 'a', price: '1' } })
  // @ts-expect-error there is no such query
  await book.query('bottom')
  // @ts-expect-error there is no such consistency
  await book.query('top', { consistency: 'eventual' })
}

export function namedByItsMachineOrByItsTypes(byMachine: Group<OrderBook>): void {
  const byTypes: Group<Command, Fills, Query, number> = byMachine
  const again: Group<OrderBook> = byTypes
  void again
}

export class Matcher {
  @Group('book', { machine: OrderBook, voters: 3, key: GroupKey.random() })
  readonly byClass!: Group<OrderBook>
  @Group('book', { machine: () => new OrderBook() }) readonly byFactory!: Group<OrderBook>
  @Group('book', { machine: OrderBook }) readonly byTypes!: Group<Command, Fills, Query, number>
  // Whoever only cancels may say so.
  @Group('book', { machine: OrderBook }) readonly narrow!: Group<{ cancel: string }, unknown, 'top', number>

  @OnLeader() async settle({ signal, term }: RoleContext): Promise<void> {
    signal.throwIfAborted()
    same<typeof term, number>(true)
    await this.byClass.execute({ cancel: 'a' }, { signal })
  }

  @OnFollower('book') watch(): void {}

  // @ts-expect-error the machine has no such command
  @Group('book', { machine: OrderBook }) readonly otherCommand!: Group<{ buy: string }, Fills, Query, number>
  // @ts-expect-error the machine answers with a number
  @Group('book', { machine: OrderBook }) readonly otherAnswer!: Group<Command, Fills, Query, string>
  // @ts-expect-error it is no group
  @Group('book', { machine: OrderBook }) readonly noGroup!: string
  // @ts-expect-error there is no such option
  @Group('book', { machine: OrderBook, quorum: 3 }) readonly unknownOption!: Group<OrderBook>
  // @ts-expect-error it makes no state machine
  @Group('book', { machine: Date }) readonly noMachine!: Group<OrderBook>
  // @ts-expect-error a role has no datum
  @OnLeader() wrong(_datum: string): void {}
}

/** A value that criteria can name. Dates are equal by their time, byte strings by their bytes. */
export type CriteriaValue = string | number | bigint | boolean | null | Date | Uint8Array

/** What has an order: numbers, dates, and text by its UTF-16 code units. */
type Orderable = string | number | bigint | Date

type ValueOf<T> = Extract<T, CriteriaValue>
type OrderableOf<T> = Extract<T, Orderable>
type ItemOf<T> = Extract<T, readonly unknown[]>[number]
type ObjectOf<T> = Exclude<Extract<T, object>, readonly unknown[] | Date | Uint8Array>
type FieldOf<O> = O extends unknown ? keyof O & string : never
type FieldValueOf<O, F> = O extends unknown ? (F extends keyof O ? O[F] : never) : never

/** Criteria for objects: for each field named, what its value must meet. */
type FieldCriteria<O> = [O] extends [never]
  ? unknown
  : {
      readonly [F in FieldOf<O> as F extends `$${string}` ? never : F]?: string extends F
        ? Criteria<FieldValueOf<O, F>> | CriteriaOperators<O>[keyof CriteriaOperators<O>]
        : Criteria<FieldValueOf<O, F>>
    }

/** What can be asked of a value besides being equal to another. All that is asked must hold. */
// A type and not an interface, so that it counts as plain data.
export type CriteriaOperators<T> = {
  /** It equals one of these. */
  readonly $in?: [ValueOf<T>] extends [never] ? never : readonly ValueOf<T>[]
  /** It is of the same type, and greater; the three others likewise. Nothing is greater or less than NaN. */
  readonly $gt?: OrderableOf<T>
  readonly $gte?: OrderableOf<T>
  readonly $lt?: OrderableOf<T>
  readonly $lte?: OrderableOf<T>
  /** It is text that begins like this. */
  readonly $prefix?: [Extract<T, string>] extends [never] ? never : string
  /** It is there, or is not there; null is there. */
  readonly $exists?: boolean
  /** It is an array of which one item, at least, meets this. */
  readonly $some?: [Extract<T, readonly unknown[]>] extends [never] ? never : Criteria<ItemOf<T>>
  /** It does not meet this. What is not there meets nothing, and so is accepted by this one. */
  readonly $not?: Criteria<T>
  /** It meets all of these. */
  readonly $and?: readonly Criteria<T>[]
  /** It meets one of these, at least. */
  readonly $or?: readonly Criteria<T>[]
}

/**
 * Which datums a consumer wants, as plain data, judged by the producer for each datum: a value that the datum must equal,
 * or an object of fields and what each must meet, and of operators. All of it must hold; a datum that lacks a field, or
 * has a value of another type there, does not meet what is said of it.
 *
 * ```ts
 * { symbol: { $in: ['BTC', 'ETH'] }, price: { $gte: 100, $lt: 200 }, account: { country: 'DE' } }
 * { $or: [{ side: 'buy' }, { tags: { $some: { $prefix: 'vip.' } } }], $not: { note: { $exists: true } } }
 * ```
 *
 * A key that begins with `$` is always an operator, so fields of such a name cannot be asked for. Criteria are at most
 * 4 KiB long as MessagePack, 8 levels deep, and have at most 256 parts, 32 of them in `$some`.
 */
export type Criteria<T = unknown> = unknown extends T
  ? CriteriaValue | { readonly [key: string]: unknown }
  : ValueOf<T> | (CriteriaOperators<T> & FieldCriteria<ObjectOf<T>>)

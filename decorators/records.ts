// What the decorators wrote down about a class, before anyone has judged it. Decorators do nothing else.
import type { TicketValidator } from '#framework/discovery'
import type { ConsumerOptions, ProducerOptions, StreamDefinition } from '#framework/streams'
import type { z } from 'zod'
import type { GroupMemberOptions } from './groups.js'
import type { Placement } from './placement.js'
import { standardMetadata } from './reflection.js'

/** A class, whatever its constructor takes. */
export type Class<T extends object = object> = new (...args: never[]) => T

/** Classes to inject, in the order of the constructor's parameters. A function, where files import each other. */
export type Dependencies = readonly Class[] | (() => readonly Class[])

/** How often a consumer method may be running, and what its errors mean. */
export interface HandlerOptions {
  /**
   * How many calls may be in flight at once, over all producers. Default: 1, which handles the datums of each producer
   * strictly in order, each call beginning after the one before has ended. With more, calls still begin in that order,
   * but may overlap and end in any.
   */
  readonly concurrency?: number
  /**
   * What it means when the method throws or rejects. `fail` (the default): the service has failed, and its node with it.
   * `skip`: the datum is given up, counted and logged, and the next one follows.
   */
  readonly onError?: 'fail' | 'skip'
}

export interface ServiceOptions {
  /** Default: the name of the class. Unique on a node. */
  readonly name?: string
  /** Labels that every node with this service announces. */
  readonly tags?: readonly string[]
  /** What the constructor takes. Needed where the compiler records no parameter types: standard decorators, JavaScript. */
  readonly deps?: Dependencies
}

export interface InjectableOptions {
  /** As in {@link ServiceOptions}. */
  readonly deps?: Dependencies
}

/** A use of `@Producer`. */
export interface ProducerRecord {
  readonly direction: 'produces'
  readonly placement: Placement
  readonly definition: StreamDefinition<unknown>
  readonly options: ProducerOptions
}

/** A use of `@Consumer`. */
export interface ConsumerRecord {
  readonly direction: 'consumes'
  readonly placement: Placement
  readonly definition: StreamDefinition<unknown>
  readonly options: ConsumerOptions & HandlerOptions
}

export type PortRecord = ProducerRecord | ConsumerRecord

/** Whether a port says how its stream is to be produced or consumed. */
export function hasOptions({ options }: PortRecord): boolean {
  return Object.keys(options).length > 0
}

/** A use of `@Config`. */
export interface ConfigRecord {
  readonly placement: Placement
  readonly schema: z.ZodType
}

/** A use of `@RequireTicket`. */
export interface TicketRecord {
  readonly placement: Placement
  readonly validator: TicketValidator
}

/** A use of `@Group`. */
export interface GroupRecord {
  readonly placement: Placement
  readonly name: string
  readonly options: GroupMemberOptions
}

export type GroupRole = 'leader' | 'follower'

/** A use of `@OnLeader` or `@OnFollower`. */
export interface RoleRecord {
  readonly placement: Placement
  readonly role: GroupRole
  /** Name of the group; undefined for the only one of the class. */
  readonly group: string | undefined
}

/** A use of any of the decorators that say what a member is. */
export type MemberRecord = PortRecord | ConfigRecord | GroupRecord | RoleRecord

export interface ClassRecord {
  service?: ServiceOptions
  injectable?: InjectableOptions
  readonly ports: PortRecord[]
  readonly configs: ConfigRecord[]
  readonly groups: GroupRecord[]
  readonly roles: RoleRecord[]
  readonly tickets: TicketRecord[]
}

/** Keyed by what a {@link Placement} names as the owner. Weak: a class that is gone takes its record along. */
const records = new WeakMap<object, ClassRecord>()

/** The record to write to. */
export function recordAt(owner: object): ClassRecord {
  let record = records.get(owner)
  if (record === undefined) {
    record = { ports: [], configs: [], groups: [], roles: [], tickets: [] }
    records.set(owner, record)
  }
  return record
}

/** What was recorded about this very class, not about its parents. */
export function ownRecord(ctor: Class): ClassRecord | undefined {
  const metadata = standardMetadata(ctor)
  return records.get(ctor) ?? (metadata === undefined ? undefined : records.get(metadata))
}

/** The records along the chain of inheritance, that of the most distant parent first. */
export function recordsOf(ctor: Class): readonly ClassRecord[] {
  const found: ClassRecord[] = []
  for (let current: unknown = ctor; typeof current === 'function'; current = Object.getPrototypeOf(current)) {
    const record = ownRecord(current as Class)
    if (record !== undefined) found.unshift(record)
  }
  return found
}

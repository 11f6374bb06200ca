// What @RequireTicket asks of the streams and groups of a class.
import type { TicketValidator } from '#framework/discovery'
import type { DeclarationProblem } from './declaration-error.js'
import { memberName } from './member-problems.js'
import { recordsOf, type Class, type GroupRecord, type PortRecord, type TicketRecord } from './records.js'

/** What has another end, or other members, that can be asked for tickets. */
type Guarded = PortRecord | GroupRecord

/**
 * The member with what its option and the decorators on it require. A requirement of a parent stays when the member is
 * declared again: overriding a method must not let strangers in.
 */
export function withMemberTickets<G extends Guarded>(ctor: Class, guarded: G): G {
  return withTickets(
    guarded,
    ticketRecordsOf(ctor).filter(
      ({ placement }) => isOnMember(placement) && placement.member === guarded.placement.member,
    ),
  )
}

/** The member with what the decorators on the class and its parents require of all streams and groups. */
export function withClassTickets<G extends Guarded>(ctor: Class, guarded: G): G {
  return withTickets(
    guarded,
    ticketRecordsOf(ctor).filter(({ placement }) => placement.kind === 'class'),
  )
}

/** Requirements on what has no streams and no groups, and what cannot judge a ticket. */
export function ticketProblems(ctor: Class, guarded: readonly Guarded[]): DeclarationProblem[] {
  return ticketRecordsOf(ctor).flatMap(({ placement, validator }): DeclarationProblem[] => {
    const where = memberName(ctor, placement.member)
    if (placement.kind !== 'class' && !isOnMember(placement)) {
      return [
        {
          code: 'DECORATOR_MISPLACED',
          message: `${where}: @RequireTicket goes on a class, a property or a method, and is on ${placement.kind === 'accessor' ? 'an' : 'a'} ${placement.kind}`,
          hint: 'put it beside @Producer, @Consumer or @Group, or beside @Service()',
        },
      ]
    }
    if (!isTicketValidator(validator)) {
      return [
        {
          code: 'TICKET_VALIDATOR_INVALID',
          message: `${where}: ${validator === undefined ? 'undefined' : typeof validator} is no ticket validator`,
          hint: 'pass an object with "class", "signature" and "validate(data, entry)"',
        },
      ]
    }
    const isGuard =
      placement.kind === 'class'
        ? guarded.length > 0
        : guarded.some((each) => each.placement.member === placement.member)
    if (isGuard) return []
    return [
      {
        code: 'TICKET_WITHOUT_STREAM',
        message: `${where}: @RequireTicket is on a ${placement.kind} without @Producer, @Consumer or @Group`,
        hint: 'a ticket is required of the other end of a stream, or of the members of a group: declare it, or remove this',
      },
    ]
  })
}

function ticketRecordsOf(ctor: Class): readonly TicketRecord[] {
  return recordsOf(ctor).flatMap(({ tickets }) => tickets)
}

function isOnMember({ kind }: TicketRecord['placement']): boolean {
  return kind === 'property' || kind === 'method'
}

/** Sorted, because compilers call decorators in different orders; each once, because two that judge alike are one. */
function withTickets<G extends Guarded>(guarded: G, records: readonly TicketRecord[]): G {
  if (records.length === 0) return guarded
  const { requireTicket = [] } = guarded.options
  const all = [requireTicket, ...records.map(({ validator }) => validator)].flat()
  const bySignature = new Map(all.filter(isTicketValidator).map((each) => [each.signature, each]))
  const validators = [...bySignature].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
  return { ...guarded, options: { ...guarded.options, requireTicket: validators } }
}

function isTicketValidator(value: unknown): value is TicketValidator {
  if (typeof value !== 'object' || value === null) return false
  const { class: ticketClass, signature, validate } = value as Readonly<Record<string, unknown>>
  return typeof ticketClass === 'string' && typeof signature === 'string' && typeof validate === 'function'
}

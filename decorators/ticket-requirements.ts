// What @RequireTicket asks of the streams of a class.
import type { TicketValidator } from '#framework/discovery'
import type { DeclarationProblem } from './declaration-error.js'
import { memberName } from './member-problems.js'
import { recordsOf, type Class, type PortRecord, type TicketRecord } from './records.js'

/**
 * The port with what its option and the decorators on its member require. A requirement of a parent stays when the member
 * is declared again: overriding a method must not let strangers in.
 */
export function withMemberTickets(ctor: Class, port: PortRecord): PortRecord {
  return withTickets(
    port,
    ticketRecordsOf(ctor).filter(
      ({ placement }) => isOnMember(placement) && placement.member === port.placement.member,
    ),
  )
}

/** The port with what the decorators on the class and its parents require of all streams. */
export function withClassTickets(ctor: Class, port: PortRecord): PortRecord {
  return withTickets(
    port,
    ticketRecordsOf(ctor).filter(({ placement }) => placement.kind === 'class'),
  )
}

/** Requirements on what has no streams, and what cannot judge a ticket. */
export function ticketProblems(ctor: Class, ports: readonly PortRecord[]): DeclarationProblem[] {
  return ticketRecordsOf(ctor).flatMap(({ placement, validator }): DeclarationProblem[] => {
    const where = memberName(ctor, placement.member)
    if (placement.kind !== 'class' && !isOnMember(placement)) {
      return [
        {
          code: 'DECORATOR_MISPLACED',
          message: `${where}: @RequireTicket goes on a class, a property or a method, and is on ${placement.kind === 'accessor' ? 'an' : 'a'} ${placement.kind}`,
          hint: 'put it beside @Producer or @Consumer, or beside @Service()',
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
    const hasPort =
      placement.kind === 'class'
        ? ports.length > 0
        : ports.some((port) => port.placement.member === placement.member)
    if (hasPort) return []
    return [
      {
        code: 'TICKET_WITHOUT_STREAM',
        message: `${where}: @RequireTicket is on a ${placement.kind} without @Producer or @Consumer`,
        hint: 'a ticket is required of the other end of a stream: declare the stream, or remove this',
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
function withTickets(port: PortRecord, records: readonly TicketRecord[]): PortRecord {
  if (records.length === 0) return port
  const { requireTicket = [] } = port.options
  const all = [requireTicket, ...records.map(({ validator }) => validator)].flat()
  const bySignature = new Map(all.filter(isTicketValidator).map((each) => [each.signature, each]))
  const validators = [...bySignature].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
  return { ...port, options: { ...port.options, requireTicket: validators } } as PortRecord
}

function isTicketValidator(value: unknown): value is TicketValidator {
  if (typeof value !== 'object' || value === null) return false
  const { class: ticketClass, signature, validate } = value as Readonly<Record<string, unknown>>
  return typeof ticketClass === 'string' && typeof signature === 'string' && typeof validate === 'function'
}

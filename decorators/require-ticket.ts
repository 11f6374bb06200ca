import type { TicketValidator } from '#framework/discovery'
import { placementOf, type DecoratorArguments } from './placement.js'
import { recordAt, type Class } from './records.js'

/** Goes on a class, and on members with `@Producer`, `@Consumer` or `@Group`. */
export interface RequireTicketDecorator {
  // Legacy decorators.
  (target: Class): void
  (target: object, key: PropertyKey, descriptor?: PropertyDescriptor): void
  // Standard decorators.
  (target: Class, context: ClassDecoratorContext): void
  (
    value: ((...args: never[]) => unknown) | undefined,
    context: ClassFieldDecoratorContext | ClassMethodDecoratorContext,
  ): void
}

/**
 * Only peers that show a ticket which the validator accepts are at the other end: on a member with `@Consumer` producers
 * have to show it, on one with `@Producer` consumers, on one with `@Group` the other members; on a class all of these,
 * for everything that the class declares. Used several times, all of
 * them have to accept; so do those of the option `requireTicket`. What a parent class requires, its subclasses require
 * too, also for members that they declare again.
 *
 * ```ts
 * @RequireTicket(members) @Consumer(Orders) async onOrder(order: Order) { … }
 * ```
 */
export function RequireTicket(validator: TicketValidator): RequireTicketDecorator {
  return ((...args: DecoratorArguments): void => {
    const placement = placementOf(args)
    recordAt(placement.owner).tickets.push({ placement, validator })
  }) as RequireTicketDecorator
}

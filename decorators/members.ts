import { recordsOf, type Class, type ClassRecord, type MemberRecord } from './records.js'

/**
 * The decorated members along the chain of inheritance. The nearest declaration of a name counts: a member that a class
 * declares again replaces its parent's.
 */
export function membersOf<R extends MemberRecord>(
  ctor: Class,
  pick: (record: ClassRecord) => readonly R[],
): readonly R[] {
  let members: readonly R[] = []
  for (const record of recordsOf(ctor)) {
    const own = pick(record)
    const declaredAgain = new Set(
      [...record.ports, ...record.configs, ...record.groups, ...record.roles].map(
        ({ placement }) => placement.member,
      ),
    )
    members = [...members.filter(({ placement }) => !declaredAgain.has(placement.member)), ...own]
  }
  return members
}

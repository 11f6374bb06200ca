import type { Random } from '#framework/primitives'
import type { ClientHabits } from './client.js'
import { tokenOf } from './history.js'
import type { RegisterInput } from './register.js'

/** Values longer than this are written anew rather than appended to. */
const VALUE_LENGTH_MAX = 120

/**
 * What a client does next.
 *
 * @param seen What it saw last of each register: good guesses for a compare-and-set.
 * @param sequence Counts its operations.
 */
export function chooseInput(
  random: Random,
  { keys, readRate }: Pick<ClientHabits, 'keys' | 'readRate'>,
  seen: ReadonlyMap<string, string>,
  client: number,
  sequence: number,
): RegisterInput {
  const key = keys[random.int(keys.length)]!
  if (random.float() < readRate) return { kind: 'read', key }
  const value = tokenOf(client, sequence)
  const expected = seen.get(key) ?? ''
  const kind = random.int(3)
  if (kind === 0 && expected.length < VALUE_LENGTH_MAX) return { kind: 'append', key, value }
  if (kind === 1) return { kind: 'compare-and-set', key, expected, value }
  return { kind: 'write', key, value }
}

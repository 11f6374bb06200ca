import { expect, test } from '@jest/globals'
import type { Bond } from '../../../framework/groups/bond/bond.js'
import type { SendResult } from '../../../framework/groups/bond/lane-sender.js'
import { Forwarding } from '../../../framework/groups/worker/forwarding.js'
import { decodeForward } from '../../../framework/groups/wire/forward-wire.js'

const never = new AbortController().signal

function bondThat(result: SendResult = 'sent'): { bond: Bond; ids: number[] } {
  const ids: number[] = []
  const send = (_: string, message: Uint8Array): SendResult => {
    ids.push(decodeForward(message).id)
    return result
  }
  return { bond: { send } as unknown as Bond, ids }
}

const request = { type: 'read', consistency: 'strong' } as const

test('given a request that is told, when the leader refuses it, then that is heard once', () => {
  const forwarding = new Forwarding()
  const { bond, ids } = bondThat()
  let refusals = 0
  forwarding.tell(bond, request, () => refusals++)
  const refusal = { type: 'refused', id: ids[0]!, reason: 'busy' } as const
  // W-S14: answers count only from whom the question went to.
  forwarding.onAnswer(bondThat().bond, refusal)
  expect(refusals).toBe(0)
  forwarding.onAnswer(bond, refusal)
  forwarding.onAnswer(bond, refusal)
  expect(refusals).toBe(1)
})

test('given requests that are told, when they have come about or their bond is lost, then there is room for others', () => {
  const forwarding = new Forwarding()
  const { bond } = bondThat()
  const tellMany = (): (() => void)[] =>
    Array.from({ length: 1_024 }, () => forwarding.tell(bond, request, () => {}))
  const forgets = tellMany()
  expect(() => forwarding.tell(bond, request, () => {})).toThrow('busy')
  for (const forget of forgets) forget()
  tellMany()
  forwarding.onLost(bond)
  tellMany()
})

test('given a bond that takes nothing, when something is told or asked, then that fails and leaves nothing behind', async () => {
  const forwarding = new Forwarding()
  for (let count = 0; count < 2_000; count++) {
    expect(() => forwarding.tell(bondThat('closed').bond, request, () => {})).toThrow('lost')
  }
  await expect(forwarding.ask(bondThat('busy').bond, request, never)).rejects.toMatchObject({
    reason: 'busy',
  })
})

test('given a question, when its bond is lost, then it fails', async () => {
  const forwarding = new Forwarding()
  const { bond } = bondThat()
  const asked = forwarding.ask(bond, request, never)
  forwarding.onLost(bond)
  await expect(asked).rejects.toMatchObject({ reason: 'lost' })
})

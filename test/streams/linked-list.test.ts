import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { LinkedList, type Linked } from '../../framework/streams/linked-list.js'

interface Node extends Linked<Node> {
  readonly value: number
}

function contents(list: LinkedList<Node>): { forth: number[]; back: number[] } {
  const forth: number[] = []
  const back: number[] = []
  for (let node = list.first; node !== undefined; node = node.next) forth.push(node.value)
  for (let node = list.last; node !== undefined; node = node.previous) back.unshift(node.value)
  return { forth, back }
}

test('given any additions and removals, then it holds what an array would, in both directions, and what was removed refers to nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('push'), fc.nat(1_000))), (steps) => {
      const list = new LinkedList<Node>()
      const model: Node[] = []
      for (const [value, step] of steps.entries()) {
        if (step === 'push') {
          const node: Node = { value, previous: undefined, next: undefined }
          list.push(node)
          model.push(node)
        } else if (typeof step === 'number' && model.length > 0) {
          const [node] = model.splice(step % model.length, 1)
          list.remove(node!)
          expect(node).toMatchObject({ previous: undefined, next: undefined })
        }
        const values = model.map((node) => node.value)
        expect(contents(list)).toEqual({ forth: values, back: values })
        expect(list.size).toBe(model.length)
      }
    }),
  )
})

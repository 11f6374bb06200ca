import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Identity } from '#framework/network'
import { seededRandom, type PeerId } from '#framework/primitives'
import { Admission } from '../../framework/network/admission.js'

const [alice, bob, carol] = ['a', 'b', 'c'].map((seed) => Identity.random(seededRandom(seed)).peerId) as [
  PeerId,
  PeerId,
  PeerId,
]
const roomy = { connectionsMax: 100, connectionsPerPeerMax: 10, unadmittedMax: 100 }

describe('admission', () => {
  test('given a connection that has only opened, does not count its peer', () => {
    const admission = new Admission(roomy)
    expect(admission.enter('1', alice, 'inbound')).toEqual({ refused: false })
    expect(admission.isAdmitted('1')).toBe(false)
    expect(admission.peers.size).toBe(0)
    expect(admission.admit('1')).toBe(true)
    expect([...admission.peers]).toEqual([alice])
  })

  test('given two connections of a peer, keeps the peer until the last admitted one has gone', () => {
    const admission = new Admission(roomy)
    for (const id of ['1', '2', '3']) admission.enter(id, alice, 'outbound')
    admission.admit('1')
    admission.admit('2')
    admission.leave('1')
    expect(admission.peers.has(alice)).toBe(true)
    admission.leave('2')
    expect(admission.peers.has(alice)).toBe(false)
    expect(admission.connectionsOf(alice)).toEqual(['3'])
  })

  test('given a connection that has gone, or was admitted before, admits nothing', () => {
    const admission = new Admission(roomy)
    admission.enter('1', alice, 'inbound')
    expect(admission.admit('1')).toBe(true)
    expect(admission.admit('1')).toBe(false)
    admission.leave('1')
    expect(admission.admit('1')).toBe(false)
    admission.leave('1')
    expect(admission.connectionCount).toBe(0)
  })

  test('given as many connections as there may be, refuses one more in either direction', () => {
    const admission = new Admission({ ...roomy, connectionsMax: 2 })
    admission.enter('1', alice, 'inbound')
    admission.enter('2', bob, 'outbound')
    expect(admission.isFull).toBe(true)
    expect(admission.enter('3', carol, 'inbound')).toEqual({ refused: true })
    expect(admission.enter('4', carol, 'outbound')).toEqual({ refused: true })
    admission.leave('1')
    expect(admission.enter('5', carol, 'inbound')).toEqual({ refused: false })
  })

  test('given many strangers at the door, refuses more of them, but still dials out', () => {
    const admission = new Admission({ ...roomy, unadmittedMax: 1 })
    admission.enter('1', alice, 'inbound')
    expect(admission.enter('2', bob, 'inbound')).toEqual({ refused: true })
    expect(admission.enter('3', bob, 'outbound')).toEqual({ refused: false })
    admission.admit('1')
    expect(admission.enter('4', carol, 'inbound')).toEqual({ refused: false })
  })

  test('given one peer with very many connections, lets the oldest go for a new one', () => {
    const admission = new Admission({ ...roomy, connectionsPerPeerMax: 2 })
    admission.enter('1', alice, 'inbound')
    admission.enter('2', alice, 'inbound')
    expect(admission.enter('3', alice, 'inbound')).toEqual({ refused: false, evict: '1' })
    expect(admission.enter('4', bob, 'inbound')).toEqual({ refused: false })
  })

  test('given any sequence of events, its peers are those with an admitted connection, and its set is new when it changes', () => {
    const event = fc.record({
      kind: fc.constantFrom('enter', 'admit', 'leave'),
      connection: fc.nat(12),
      peer: fc.constantFrom(alice, bob, carol),
      direction: fc.constantFrom('inbound' as const, 'outbound' as const),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const limits = { connectionsMax: 8, connectionsPerPeerMax: 20, unadmittedMax: 3 }
        const admission = new Admission(limits)
        const model = new Map<string, { peer: PeerId; inbound: boolean; admitted: boolean }>()
        for (const { kind, connection, peer, direction } of events) {
          const id = String(connection)
          const before = admission.peers
          const copy = [...before]
          if (kind === 'enter' && !model.has(id)) {
            const entry = admission.enter(id, peer, direction)
            const waiting = [...model.values()].filter(({ inbound, admitted }) => inbound && !admitted).length
            const refused = model.size >= 8 || (direction === 'inbound' && waiting >= 3)
            expect(entry.refused).toBe(refused)
            if (!refused) model.set(id, { peer, inbound: direction === 'inbound', admitted: false })
          } else if (kind === 'admit') {
            const known = model.get(id)
            expect(admission.admit(id)).toBe(known !== undefined && !known.admitted)
            if (known) known.admitted = true
          } else if (kind === 'leave') {
            admission.leave(id)
            model.delete(id)
          }
          const peers = new Set(
            [...model.values()].filter(({ admitted }) => admitted).map((each) => each.peer),
          )
          expect(new Set(admission.peers)).toEqual(peers)
          expect(admission.connectionCount).toBe(model.size)
          expect([...before]).toEqual(copy)
        }
      }),
    )
  })
})

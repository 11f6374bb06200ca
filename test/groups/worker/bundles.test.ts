import { beforeEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CloseReasons, type CloseReason } from '#framework/network'
import { digestOf, MetricsRegistry, type Digest, type PeerId } from '#framework/primitives'
import type { BondEnd } from '../../../framework/groups/bond/bond.js'
import type { Lane } from '../../../framework/groups/bond/lanes.js'
import type { SendResult } from '../../../framework/groups/bond/lane-sender.js'
import { Bundles, bundling, type BundledBond } from '../../../framework/groups/worker/bundles.js'
import { BUNDLE, CONSENSUS } from '../../../framework/groups/wire/control.js'

const near = 'ab'.repeat(32) as PeerId
const far = 'cd'.repeat(32) as PeerId

/** One end of a bond whose frames are looked at. */
class TestBond implements BundledBond {
  readonly id: Digest
  readonly peer: PeerId
  readonly capabilities: readonly string[]
  readonly frames: Uint8Array[] = []
  readonly taken: string[] = []
  end: BondEnd | undefined
  result: SendResult = 'sent'
  closedFor: CloseReason | undefined

  constructor(name: string, peer = near, capabilities: readonly string[] = [bundling]) {
    this.id = digestOf(name)
    this.peer = peer
    this.capabilities = capabilities
  }

  send(lane: Lane, message: Uint8Array): SendResult {
    expect(lane).toBe('control')
    if (this.result === 'sent') this.frames.push(message)
    return this.result
  }

  close(reason: CloseReason): Promise<BondEnd> {
    this.closedFor = reason
    this.end = { reason, by: 'local' }
    return Promise.resolve(this.end)
  }
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const tags = ({ frames }: TestBond): (number | undefined)[] => frames.map(([tag]) => tag)

let metrics: MetricsRegistry
let bundles: Bundles

beforeEach(() => {
  metrics = new MetricsRegistry()
  bundles = new Bundles(metrics)
})

/** Lets the other side be the same object: what was sent on these bonds is received on them. */
function receiveAll(bonds: readonly TestBond[]): void {
  for (const bond of bonds) {
    for (const frame of bond.frames.splice(0)) {
      if (frame[0] === BUNDLE) bundles.receive(bond, frame.subarray(1))
      else bond.taken.push(Buffer.from(frame.subarray(1)).toString())
    }
  }
}

function added(...bonds: TestBond[]): TestBond[] {
  for (const bond of bonds) {
    bundles.add(bond, (message) => {
      const text = Buffer.from(message).toString()
      if (text === 'nonsense') throw new Error('it is no message')
      bond.taken.push(text)
    })
  }
  return bonds
}

describe('what is said on several bonds with one peer', () => {
  test('given a hundred bonds, when something is said on each in one turn, then one frame carries it, and each bond gets its own', async () => {
    const bonds = added(...Array.from({ length: 100 }, (_, n) => new TestBond(`bond ${n}`)))
    for (const [n, bond] of bonds.entries()) bundles.send(bond, bytes(`beat ${n}`))
    expect(bonds.flatMap(tags)).toEqual([])
    await Promise.resolve()
    expect(bonds.flatMap(tags)).toEqual([BUNDLE])
    receiveAll(bonds)
    expect(bonds.map(({ taken }) => taken)).toEqual(bonds.map((_, n) => [`beat ${n}`]))
  })

  test('given one bond with a peer, then what is said there leaves at once', () => {
    const [bond, other] = added(new TestBond('bond'), new TestBond('other', far))
    bundles.send(bond!, bytes('beat'))
    expect(tags(bond!)).toEqual([CONSENSUS])
    expect(tags(other!)).toEqual([])
  })

  test('given something for one of two bonds only, then it goes on its own bond, as it is', async () => {
    const [bond, other] = added(new TestBond('bond'), new TestBond('other'))
    bundles.send(bond!, bytes('beat'))
    await Promise.resolve()
    expect(tags(bond!)).toEqual([CONSENSUS])
    expect(tags(other!)).toEqual([])
  })

  test('given a peer that takes no bundles on one of its bonds, then what is for that one goes alone, and carries nothing', async () => {
    const [old, bond, other] = added(
      new TestBond('old', near, []),
      new TestBond('bond'),
      new TestBond('other'),
    )
    for (const each of [old!, bond!, other!]) bundles.send(each, bytes('beat'))
    expect(tags(old!)).toEqual([CONSENSUS])
    await Promise.resolve()
    expect([old!, bond!, other!].flatMap(tags)).toEqual([CONSENSUS, BUNDLE])
  })

  test('given a bond that is over or has too much waiting, then another one carries what there is', async () => {
    const [ended, busy, bond] = added(new TestBond('ended'), new TestBond('busy'), new TestBond('bond'))
    for (const each of [ended!, busy!, bond!]) bundles.send(each, bytes('beat'))
    void ended!.close(CloseReasons.GracefulShutdown)
    busy!.result = 'busy'
    await Promise.resolve()
    expect(tags(ended!)).toEqual([])
    expect(tags(bond!)).toEqual([BUNDLE])
    receiveAll([bond!])
    expect([ended!, busy!, bond!].map(({ taken }) => taken)).toEqual([[], ['beat'], ['beat']])
  })

  test('given any messages on any bonds in one turn, then each bond gets its own in order, and no frame is too long for the control lane', async () => {
    const names = ['a', 'b', 'c']
    const said = fc.array(fc.tuple(fc.constantFrom(0, 1, 2), fc.nat(70_000)), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(said, async (messages) => {
        const bonds = added(...names.map((name) => new TestBond(name)))
        const expected = names.map((): number[] => [])
        for (const [place, length] of messages) {
          bundles.send(bonds[place]!, new Uint8Array(length))
          expected[place]!.push(length)
        }
        await Promise.resolve()
        for (const { frames } of bonds)
          for (const frame of frames)
            if (frame[0] === BUNDLE) expect(frame.byteLength).toBeLessThan(64 * 1024)
        receiveAll(bonds)
        // What is too long for a bundle goes alone, and so before the rest.
        const byLength = (a: number, b: number): number => a - b
        const lengths = bonds.map(({ taken }) => taken.map((text) => text.length).sort(byLength))
        expect(lengths).toEqual(expected.map((each) => each.sort(byLength)))
        for (const bond of bonds) bundles.remove(bond)
      }),
    )
  })
})

describe('what a bundle brings', () => {
  /** A bundle with one part for each of these, as the other side would send it. */
  async function bundleFor(...parts: readonly (readonly [TestBond, string])[]): Promise<Uint8Array> {
    const sender = new Bundles(new MetricsRegistry())
    const ends = parts.map(([{ id }]) => Object.assign(new TestBond(''), { id }))
    for (const end of ends) sender.add(end, () => {})
    for (const [place, end] of ends.entries()) sender.send(end, bytes(parts[place]![1]))
    await Promise.resolve()
    return ends.flatMap(({ frames }) => frames)[0]!.subarray(1)
  }

  test('given a part for a bond that is not there any more, then it is counted, and the others arrive', async () => {
    const [bond, gone] = added(new TestBond('bond'), new TestBond('gone'))
    bundles.remove(gone!)
    bundles.receive(bond!, await bundleFor([gone!, 'beat'], [bond!, 'beat']))
    expect([bond!, gone!].map(({ taken }) => taken)).toEqual([['beat'], []])
    expect(metrics.value('mosaik_group_stray_messages_total')).toBe(1)
  })

  test('given a part for a bond with somebody else, then it is not taken in', async () => {
    const [bond, other] = added(new TestBond('bond'), new TestBond('other', far))
    const bundle = await bundleFor([other!, 'beat'], [bond!, 'beat'])
    expect(() => bundles.receive(bond!, bundle)).toThrow('a bond with somebody else')
    expect(other!.taken).toEqual([])
  })

  test('given a part that is no message, then the bond ends that it is for, and the others arrive', async () => {
    const [bond, bad] = added(new TestBond('bond'), new TestBond('bad'))
    bundles.receive(bond!, await bundleFor([bad!, 'nonsense'], [bond!, 'beat']))
    expect(bad!.closedFor?.code).toBe(CloseReasons.ProtocolViolation.code)
    expect(bond!.closedFor).toBeUndefined()
    expect(bond!.taken).toEqual(['beat'])
  })
})

import type { Digest } from '#framework/primitives'
import type { Bond } from './bond.js'

/** A bond that one side may know of already, because the other one has all it needs to send on it. */
export interface ExpectedBond {
  /** It is there; or, undefined, it has come to nothing. */
  settle(bond: Bond | undefined): void
}

/**
 * The bonds of a node by their ids, for lanes that the other side opens. The acceptor of a bond may use it before the
 * dialler has read that it is there, so those that are about to be are in here as well.
 */
export class BondDirectory {
  readonly #bonds = new Map<Digest, Promise<Bond | undefined>>()

  /** Has whoever looks for the bond wait until it is settled. */
  expect(id: Digest): ExpectedBond {
    const { promise, resolve } = Promise.withResolvers<Bond | undefined>()
    this.#bonds.set(id, promise)
    return {
      settle: (bond) => {
        resolve(bond)
        if (bond === undefined) this.remove(id)
      },
    }
  }

  add(bond: Bond): void {
    this.#bonds.set(bond.id, Promise.resolve(bond))
  }

  remove(id: Digest): void {
    this.#bonds.delete(id)
  }

  async find(id: Digest): Promise<Bond | undefined> {
    return this.#bonds.get(id)
  }
}

import { networkInterfaces } from 'node:os'
import type { Clock, Timer } from '#framework/primitives'

/** How often the interfaces are looked at. Node has no event for it, and looking takes a fraction of a millisecond. */
const LOOK_MS = 7_000

/** Notices when this machine gains or loses an IP address: another network, or none. */
export class InterfaceWatch implements Disposable {
  readonly #clock: Clock
  readonly #onChange: () => void
  readonly #look: () => string
  #seen: string
  #timer: Timer | undefined

  /** @param look What the interfaces are now, in any form that can be compared. Default: their addresses. */
  constructor(clock: Clock, onChange: () => void, look: () => string = interfaceAddresses) {
    this.#clock = clock
    this.#onChange = onChange
    this.#look = look
    this.#seen = look()
    this.#next()
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel()
  }

  #next(): void {
    this.#timer = this.#clock.after(LOOK_MS, () => {
      const now = this.#look()
      const isChanged = now !== this.#seen
      this.#seen = now
      this.#next()
      if (isChanged) this.#onChange()
    })
  }
}

function interfaceAddresses(): string {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .toSorted()
    .join(' ')
}

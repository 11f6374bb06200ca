// How far a producer may run ahead of a consumer's application, in bytes of datum frames. The consumer grants a running
// total, so that grants can be merged and none can be counted twice. Pure; each end has one of the two classes.

/** What keeping one received frame costs besides its bytes: it counts, so that many tiny frames are bounded as well. */
const frameCostBytes = 128

/** How much credit a frame takes. */
export function frameCreditBytes(bodyBytes: number): number {
  return bodyBytes + frameCostBytes
}

/** The producer's end: what it may still send. */
export class CreditBalance {
  #granted: number
  #spent = 0

  /** @param windowBytes What the consumer granted when it subscribed. */
  constructor(windowBytes: number) {
    this.#granted = windowBytes
  }

  /**
   * How many bytes may still be sent. A frame may be sent while this is above zero, however long the frame: so a datum
   * that is longer than the whole window passes too. Therefore it can be negative, by less than one frame.
   */
  get available(): number {
    return this.#granted - this.#spent
  }

  /** Counts a frame that was sent. */
  spend(bodyBytes: number): void {
    this.#spent += frameCreditBytes(bodyBytes)
  }

  /**
   * Takes note of a grant.
   *
   * @param total Everything granted since the subscription began.
   * @returns False when the total shrinks, which no honest consumer does.
   */
  grant(total: number): boolean {
    if (total < this.#granted) return false
    this.#granted = total
    return true
  }
}

/** The consumer's end: what it has granted, and whether the producer keeps to it. */
export class CreditWindow {
  readonly #windowBytes: number
  #granted: number
  #received = 0
  #taken = 0

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes
    this.#granted = windowBytes
  }

  /**
   * Counts a frame that has arrived.
   *
   * @returns False when the producer had no credit left for it.
   */
  receive(bodyBytes: number): boolean {
    if (this.#received >= this.#granted) return false
    this.#received += frameCreditBytes(bodyBytes)
    return true
  }

  /** Counts a frame that the application has taken completely, whose memory is free again. */
  take(bodyBytes: number): void {
    this.#taken += frameCreditBytes(bodyBytes)
  }

  /** Whether a grant is worth a message: half of the window is free and not granted yet. */
  get isGrantDue(): boolean {
    return this.#taken + this.#windowBytes - this.#granted >= this.#windowBytes / 2
  }

  /** Grants what is free, and says the new total. */
  grant(): number {
    this.#granted = this.#taken + this.#windowBytes
    return this.#granted
  }
}

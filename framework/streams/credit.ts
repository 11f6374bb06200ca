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

/**
 * The consumer's end: what it has granted, and whether the producer keeps to it. What is granted is what the window leaves
 * free besides the bytes of frames that the consumer holds, those of earlier subscriptions included.
 */
export class CreditWindow {
  readonly #windowBytes: number
  #granted: number
  #received = 0

  /** @param initialBytes What was granted when the consumer subscribed. Default: the whole window. */
  constructor(windowBytes: number, initialBytes = windowBytes) {
    this.#windowBytes = windowBytes
    this.#granted = initialBytes
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

  /** Whether a grant is worth a message: half of the window is free and not granted yet. */
  isGrantDue(heldBytes: number): boolean {
    return this.#grantable(heldBytes) - this.#granted >= this.#windowBytes / 2
  }

  /** Grants what is free, and says the new total. */
  grant(heldBytes: number): number {
    this.#granted = Math.max(this.#granted, this.#grantable(heldBytes))
    return this.#granted
  }

  #grantable(heldBytes: number): number {
    return this.#received + this.#windowBytes - heldBytes
  }
}

/** What a consumer grants when it subscribes to a producer of which it holds so much already. */
export function initialCreditBytes(windowBytes: number, heldBytes: number): number {
  return Math.max(0, windowBytes - heldBytes)
}

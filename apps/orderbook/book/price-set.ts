/** How many bits of a price one level of the tree tells apart: those that index the bits of a 32-bit word. */
const bitsPerLevel = 5
const levelCount = 4

/** Prices that a {@link PriceSet} can hold are below this. */
export const priceLimit = 2 ** (bitsPerLevel * levelCount)

/**
 * A set of prices that finds the next one in either direction. A bit says whether a price is in the set, a bit above it
 * whether any of 32 bits is set, and so on: every operation looks at no more than two words of each of four levels,
 * whatever the set holds. (The tree of van Emde Boas, with 32-bit words as its nodes.)
 */
export class PriceSet {
  /** From the bits of the prices up to a single word. */
  readonly #levels = Array.from(
    { length: levelCount },
    (_, level) => new Uint32Array(priceLimit / 2 ** (bitsPerLevel * (level + 1))),
  )

  add(price: number): void {
    let position = price
    for (const words of this.#levels) {
      const word = position >>> bitsPerLevel
      words[word]! |= 1 << (position & 31)
      position = word
    }
  }

  delete(price: number): void {
    let position = price
    for (const words of this.#levels) {
      const word = position >>> bitsPerLevel
      words[word]! &= ~(1 << (position & 31))
      if (words[word] !== 0) return
      position = word
    }
  }

  /** The lowest member that is not below `price`. */
  atLeast(price: number): number | undefined {
    let position = price
    for (const [level, words] of this.#levels.entries()) {
      const word = position >>> bitsPerLevel
      if (word >= words.length) return undefined
      const found = words[word]! >>> (position & 31)
      if (found !== 0) return this.#descend(level, position + lowestBit(found), lowestBit)
      position = word + 1
    }
    return undefined
  }

  /** The highest member that is not above `price`. */
  atMost(price: number): number | undefined {
    let position = price
    for (const [level, words] of this.#levels.entries()) {
      if (position < 0) return undefined
      const word = position >>> bitsPerLevel
      const found = words[word]! << (31 - (position & 31))
      if (found !== 0) return this.#descend(level, position - Math.clz32(found), highestBit)
      position = word - 1
    }
    return undefined
  }

  /** From a bit that is set down to the price under it, taking the same end of each word on the way. */
  #descend(level: number, position: number, pick: (word: number) => number): number {
    for (let below = level - 1; below >= 0; below--)
      position = position * 32 + pick(this.#levels[below]![position]!)
    return position
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word)
}

function highestBit(word: number): number {
  return 31 - Math.clz32(word)
}

// What one consumer has to account for, and whether it can. Knows nothing of processes or networks.

/** Of each life; who may lose nothing has few. */
const gapsMax = 1_000

/** What became of the datums of one life of a producer. */
class LifeAccount {
  /** How the producer calls this life; unknown until a datum of it arrives. */
  life
  /** The sequence number of the first datum that the consumer was to get. */
  start = Infinity
  /** Everything below was received or is known to be lost. */
  next = 0
  /** The sequence number of the datum that was received last. */
  last = -1
  received = 0
  lost = 0
  /** What was lost that should not have been, as `Gap` of streams-losses.ts. */
  gaps = []
  /** When a datum was taken last. */
  takenMs
  subscriptionCount = 0

  constructor(nowMs) {
    this.takenMs = nowMs
  }
}

export class ConsumerAccount {
  #kind
  #onViolation
  #now
  /** By epoch. */
  #lives = new Map()

  /**
   * @param onViolation Called with a sentence for each thing that must not be.
   * @param now What time it is, in milliseconds, by a clock that other processes have as well.
   */
  constructor(kind, onViolation, now = Date.now) {
    this.#kind = kind
    this.#onViolation = onViolation
    this.#now = now
  }

  /** Events are read in turns of their own: a datum may have been taken before the event that announced it is heard. */
  onEvent(event) {
    if (event.type === 'subscribed') {
      const account = this.#of(event.epoch)
      account.subscriptionCount++
      account.start = Math.min(account.start, event.sequence)
      account.next = Math.max(account.next, event.sequence)
    } else if (event.type === 'gap') {
      const account = this.#of(event.epoch)
      account.lost += event.count
      account.next = Math.max(account.next, event.sequence)
      if (!this.#kind.losesNothing) return
      const atMs = this.#now()
      account.gaps.push({ before: event.sequence, count: event.count, atMs, quietMs: atMs - account.takenMs })
      if (account.gaps.length > gapsMax) account.gaps.shift()
    } else if (event.type === 'lagged') {
      this.#violated(`${event.missed} events were missed`)
    }
  }

  onDatum({ datum, epoch, sequence }) {
    const account = this.#of(epoch)
    account.life ??= datum.life
    if (sequence <= account.last)
      this.#violated(`datum ${sequence} of ${datum.life} came after ${account.last}`)
    if (datum.n !== sequence || datum.life !== account.life)
      this.#violated(`sequence ${sequence} of ${account.life} is datum ${datum.n} of ${datum.life}`)
    if (this.#kind.wantedCount(sequence, sequence + 1) !== 1)
      this.#violated(`datum ${sequence} of ${datum.life} was not asked for`)
    account.start = Math.min(account.start, sequence)
    account.next = Math.max(account.next, sequence + 1)
    account.last = sequence
    account.takenMs = this.#now()
    account.received++
  }

  /** To be called when everything that arrived was taken: then nothing may be left unaccounted for. */
  settle() {
    for (const account of this.#lives.values()) {
      const { life, start, next, received, lost, subscriptionCount } = account
      const wanted = this.#kind.wantedCount(start, next)
      // Which of the datums that it missed between two subscriptions had met its criteria, a consumer cannot know.
      const isExact = !this.#kind.selects || subscriptionCount === 1
      if (isExact ? received + lost === wanted : received <= wanted && received + lost >= wanted) continue
      this.#violated(
        `of the datums ${start} to ${next} of ${life}, ${wanted} were asked for: ${received} came and ${lost} were reported lost, in ${subscriptionCount} subscriptions`,
      )
    }
  }

  report() {
    return [...this.#lives].map(([epoch, account]) => ({ epoch, ...account }))
  }

  #of(epoch) {
    let account = this.#lives.get(epoch)
    if (account === undefined) {
      account = new LifeAccount(this.#now())
      this.#lives.set(epoch, account)
    }
    return account
  }

  #violated(sentence) {
    this.#onViolation(`${this.#kind.name}: ${sentence}`)
  }
}

import type { Message } from './messages.js'
import type { ConfirmedRead, Incident, ReadId, Ready, SyncDemand } from './ready.js'

/** What the next Ready will say, besides what follows from the log. */
export class Outbox {
  #messages: Message[] = []
  #reads: ConfirmedRead[] = []
  #failedReads: ReadId[] = []
  #incidents: Incident[] = []
  #syncDemand: SyncDemand | undefined

  get isEmpty(): boolean {
    return (
      this.#messages.length === 0 &&
      this.#reads.length === 0 &&
      this.#failedReads.length === 0 &&
      this.#incidents.length === 0 &&
      this.#syncDemand === undefined
    )
  }

  readonly send = (message: Message): void => {
    this.#messages.push(message)
  }

  confirm(reads: readonly ConfirmedRead[]): void {
    this.#reads.push(...reads)
  }

  fail(reads: readonly ReadId[]): void {
    this.#failedReads.push(...reads)
  }

  report(incident: Incident): void {
    this.#incidents.push(incident)
  }

  /** The latest demand stands for all. */
  demandSync(demand: SyncDemand): void {
    this.#syncDemand = demand
  }

  take(): Pick<Ready, 'messages' | 'reads' | 'failedReads' | 'incidents' | 'syncRequired'> {
    const taken = {
      messages: this.#messages,
      reads: this.#reads,
      failedReads: this.#failedReads,
      incidents: this.#incidents,
      syncRequired: this.#syncDemand,
    }
    this.#messages = []
    this.#reads = []
    this.#failedReads = []
    this.#incidents = []
    this.#syncDemand = undefined
    return taken
  }
}

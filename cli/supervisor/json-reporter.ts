import { BoundedWriter } from './bounded-writer.js'
import type { Reporter, UpEvent } from './events.js'

/** One JSON object a line on stdout. `at` is Unix milliseconds. */
export class JsonReporter implements Reporter {
  readonly #writer = new BoundedWriter(process.stdout)
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  report(event: UpEvent): void {
    this.#writer.writeLine(this.#line(event), (count) => this.#line({ event: 'dropped', count }))
  }

  close(): void {
    // Nothing is held back, so there is nothing to finish.
  }

  #line({ event, ...rest }: UpEvent | { readonly event: 'dropped'; readonly count: number }): string {
    return JSON.stringify({ event, at: this.#now(), ...rest })
  }
}

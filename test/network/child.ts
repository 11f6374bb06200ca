import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { within } from '../support/eventually.js'

/** A process of ours that runs one of the scripts in `children`, and is killed when it goes out of scope. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  #errors = ''

  constructor(script: string, ...args: string[]) {
    const file = fileURLToPath(new URL(`./children/${script}.mjs`, import.meta.url))
    const { NODE_OPTIONS: _, ...env } = process.env
    this.#process = spawn(process.execPath, [file, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process.stderr!.on('data', (text: Buffer) => (this.#errors += text.toString()))
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]()
  }

  /** The next line that it prints, which is JSON. */
  async line<T>(): Promise<T> {
    const { value, done } = await within(10_000, this.#lines.next())
    if (done === true) throw new Error(`the child has ended: ${this.#errors}`)
    return JSON.parse(value) as T
  }

  /** Its exit code. */
  async exit(): Promise<number | null> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await within(10_000, once(this.#process, 'exit'))
    }
    return this.#process.exitCode
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL')
    await this.exit()
  }
}

// A NATS server of the machine's, for comparison.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { inTime } from './benchmark.ts'
import { findProgram, freePort, kill } from './programs.ts'

const startMsMax = 10_000
/** What the kernel counts processor time in: Linux says so to programs on all of its platforms. */
const ticksPerSecond = 100

/** A running server on a port of its own, without a log and without a limit on what waits for a slow client. */
export class NatsServer implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.url = url
    this.#child = child
    this.#folder = folder
  }

  /** @returns Nothing, when it is not installed. */
  static async start(): Promise<NatsServer | undefined> {
    const program = findProgram('nats-server')
    if (program === undefined) return undefined
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'mosaik-bench-nats-'))
    const config = join(folder, 'nats.conf')
    // A subscriber that is 64 MiB behind is thrown out by default, and the benchmark would count nothing.
    writeFileSync(config, `host: "127.0.0.1"\nport: ${port}\nmax_pending: 4294967296\n`)
    const child = spawn(program, ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
    await inTime(startMsMax, 'nats-server is ready', isReady(child))
    return new NatsServer(`nats://127.0.0.1:${port}`, child, folder)
  }

  /** Over all threads, since its start. Not a number where the system has no /proc. */
  cpuSeconds(): number {
    try {
      // The name of the program, in parentheses, is the only field that may contain spaces.
      const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
    } catch {
      return Number.NaN
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await kill(this.#child)
    rmSync(this.#folder, { recursive: true })
  }
}

async function isReady(child: ChildProcess): Promise<void> {
  for await (const line of createInterface({ input: child.stderr! })) {
    if (!line.includes('Server is ready')) continue
    child.stderr!.resume()
    return
  }
  throw new Error('nats-server has ended')
}

// A NATS server of the machine's, for comparison.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { inTime } from './benchmark.ts'

/** Where packages put what only root is thought to run. */
const systemFolder = '/usr/sbin'
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
    const program = findProgram()
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
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await exited
    }
    rmSync(this.#folder, { recursive: true })
  }
}

function findProgram(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), systemFolder]
  return folders
    .map((folder) => join(folder, 'nats-server'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

async function isReady(child: ChildProcess): Promise<void> {
  for await (const line of createInterface({ input: child.stderr! })) {
    if (!line.includes('Server is ready')) continue
    child.stderr!.resume()
    return
  }
  throw new Error('nats-server has ended')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

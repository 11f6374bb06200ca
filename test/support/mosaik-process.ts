import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Patience } from './patience.js'

const entry = fileURLToPath(new URL('../../bin/mosaik.js', import.meta.url))

export type UpEvent = { readonly event: string } & Readonly<Record<string, unknown>>

export interface ProcessOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** What a finished command left behind. */
export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `mosaik …` to its end. */
export async function mosaik(args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
  await using run = new MosaikProcess(args, options)
  const code = await run.exit()
  return { code, stdout: run.stdout, stderr: run.stderr }
}

/** A running `mosaik …`. Leaving its scope kills it, with everything that it started. */
export class MosaikProcess implements AsyncDisposable {
  readonly events: UpEvent[] = []
  stdout = ''
  stderr = ''
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #exited: Promise<number | null>
  readonly #wakers = new Set<() => void>()

  constructor(args: readonly string[], options: ProcessOptions = {}) {
    // Jest's own flags are not the child's, and neither is whether jest has colours.
    const { NODE_OPTIONS: _options, FORCE_COLOR: _colour, ...inherited } = process.env
    this.#child = spawn(process.execPath, [entry, ...args], {
      cwd: options.cwd,
      env: { ...inherited, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: everything it starts can be found, and killed, by the group's id.
      detached: true,
    })
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#wake()
    })
    createInterface(this.#child.stdout).on('line', (line) => {
      this.stdout += `${line}\n`
      if (line.startsWith('{"event"')) this.events.push(JSON.parse(line) as UpEvent)
      this.#wake()
    })
    this.#exited = once(this.#child, 'close').then(([code]) => {
      this.#wake()
      return code as number | null
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Stops reading the command's output, as a reader that has gone. */
  closeStdout(): void {
    this.#child.stdout.destroy()
  }

  /** The first event from `since` on that fits. Rejects when the process ends, or the deadline passes, without it. */
  async event(
    name: string,
    fits: (event: UpEvent) => boolean = () => true,
    { timeoutMs = 15_000, since = 0 }: { timeoutMs?: number; since?: number } = {},
  ): Promise<UpEvent> {
    return this.until(
      () => this.events.slice(since).find((event) => event.event === name && fits(event)),
      name,
      timeoutMs,
    )
  }

  async until<T>(look: () => T | undefined, what: string, timeoutMs = 15_000): Promise<T> {
    using patience = new Patience(timeoutMs)
    void patience.over.then(() => this.#wake())
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (patience.isOver) throw new Error(`no ${what} within ${timeoutMs} ms\n${this.#transcript()}`)
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`ended without ${what}\n${this.#transcript()}`)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wakers.delete(wake)
          resolve()
        }
        this.#wakers.add(wake)
      })
    }
  }

  async exit(timeoutMs = 20_000): Promise<number | null> {
    using patience = new Patience(timeoutMs)
    const deadline = patience.over.then(() => {
      throw new Error(`still running after ${timeoutMs} ms\n${this.#transcript()}`)
    })
    // Only then is the patience over.
    return await Promise.race([this.#exited, deadline])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    killGroup(this.pid)
    await this.#exited
  }

  #wake(): void {
    for (const wake of this.#wakers) wake()
  }

  #transcript(): string {
    return `stdout:\n${this.stdout.slice(-6_000)}\nstderr:\n${this.stderr.slice(-2_000)}`
  }
}

/** Whether a process is still there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Everything has ended already.
  }
}

/** A folder with these files, gone when its scope is left. */
export async function folderWith(
  files: Readonly<Record<string, string>>,
): Promise<AsyncDisposable & { readonly path: string; file(name: string): string }> {
  const path = await mkdtemp(join(tmpdir(), 'mosaik-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/** The repository's root. */
export const repository = dirname(dirname(entry))

// A process of a benchmark, as an object whose methods are called over IPC.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inTime } from './benchmark.ts'
import { kill } from './programs.ts'

/** What a process can be asked for. Arguments and results are plain data. */
export type Calls<C> = { readonly [K in keyof C]: (...args: never[]) => unknown }

interface Question {
  readonly id: number
  readonly name: string
  readonly args: never[]
}

type Answer =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly failure: string }

type Arguments<F> = F extends (...args: infer A) => unknown ? A : never
type Result<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never

/** How long one call may take at most: well above what any measurement takes. */
const callMsMax = 120_000
/** How long a process may take to exit by itself, and to write its profile if it was told to make one. */
const exitMsMax = 10_000

/** Answers the calls of the process that has started this one, and ends with it. */
export function answerCalls<C extends Calls<C>>(calls: C): void {
  const all: Record<string, (...args: never[]) => unknown> = { ...calls, cpuSeconds, residentBytes }
  process.on('message', ({ id, name, args }: Question) => {
    const tell = (answer: Answer): void => void process.send?.(answer)
    const call = async (): Promise<unknown> => all[name]!(...args)
    call().then(
      (value) => tell({ id, value }),
      (error: unknown) => tell({ id, failure: String((error as Error).stack) }),
    )
  })
  process.on('disconnect', () => process.exit())
}

/** Over all threads of this process, user and system together, since its start. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** After a collection of garbage, where that can be forced. */
function residentBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

export interface ProcessOptions {
  readonly execArgv?: readonly string[]
  /** Besides the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
}

/** A process that {@link answerCalls}. Options for Node come from `BENCH_EXEC_ARGV`, to make profiles with. */
export class Callable<C extends Calls<C>> implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>()
  #lastId = 0

  /** @param file Beside this one. */
  constructor(file: string, { execArgv = [], env = {} }: ProcessOptions = {}) {
    const given = process.env.BENCH_EXEC_ARGV?.split(' ') ?? []
    const entry = fileURLToPath(new URL(`./${file}`, import.meta.url))
    this.#child = fork(entry, [], { execArgv: [...execArgv, ...given], env: { ...process.env, ...env } })
    this.#child.on('message', (answer: Answer) => this.#onAnswer(answer))
    this.#child.on('exit', (code, signal) => {
      const error = new Error(`${file} has ended with ${code ?? signal}`)
      for (const { reject } of this.#open.values()) reject(error)
    })
  }

  call<K extends keyof C & string>(name: K, ...args: Arguments<C[K]>): Promise<Result<C[K]>> {
    return this.#ask(name, args) as Promise<Result<C[K]>>
  }

  cpuSeconds(): Promise<number> {
    return this.#ask('cpuSeconds', []) as Promise<number>
  }

  residentBytes(): Promise<number> {
    return this.#ask('residentBytes', []) as Promise<number>
  }

  /** Ends it as a crash would, and resolves when it is gone. */
  kill(): Promise<void> {
    return kill(this.#child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), exitMsMax)
    this.#child.disconnect()
    await exited
    clearTimeout(timer)
  }

  async #ask(name: string, args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#lastId
    const answered = Promise.withResolvers<unknown>()
    this.#open.set(id, answered)
    this.#child.send({ id, name, args })
    try {
      return await inTime(callMsMax, `"${name}" in a process of the benchmark`, answered.promise)
    } finally {
      this.#open.delete(id)
    }
  }

  #onAnswer(answer: Answer): void {
    const open = this.#open.get(answer.id)
    if ('failure' in answer) open?.reject(new Error(answer.failure))
    else open?.resolve(answer.value)
  }
}

// Datums per second through a stream, against the bytes per second of the transport under it.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Benchmark, median, spread } from './benchmark.ts'
import type { FromPeer, Mode, ToPeer } from './stream-peer.ts'

const roundMs = 1_500
const sizes = [128, 1024] as const

export const benchmark: Benchmark = {
  method: `Two processes over QUIC on loopback. Per run and in turn: the bare transport (one libp2p stream of the same QUIC transport, 64 KiB writes), then a mosaik stream with datums of ${sizes.join(' B and ')} B (encoded size; validated by zod, "block", for-await at the consumer). Each measurement sends for ${roundMs} ms and stops the clock when the other side has confirmed everything. Medians over runs; the ratio is that of the two medians. First run not counted.`,
  runs: 5,
  async run({ runs, say }) {
    await using bare = await Pair.start('bare')
    await using mosaik = await Pair.start('mosaik')
    const bareMegabytes: number[] = []
    const results = sizes.map((size) => ({ size, datums: [] as number[], megabytes: [] as number[] }))
    for (let run = -1; run < runs; run++) {
      const reference = await bare.measure(64 * 1024)
      if (run >= 0) bareMegabytes.push(reference.bytes / 1e6 / reference.seconds)
      for (const result of results) {
        const { count, bytes, seconds } = await mosaik.measure(result.size)
        if (run < 0) continue
        result.datums.push(count / seconds)
        result.megabytes.push(bytes / 1e6 / seconds)
      }
    }
    say(`bare transport   ${spread(bareMegabytes, 1)} MB/s`)
    for (const { size, datums, megabytes } of results) {
      const ratio = median(megabytes) / median(bareMegabytes)
      say(
        `${`${size} B datums`.padEnd(16)} ${spread(megabytes, 1)} MB/s, ${spread(datums)} datums/s, ratio ${ratio.toFixed(2)}`,
      )
    }
    return {
      bareMegabytesPerSecond: median(bareMegabytes),
      streams: results.map(({ size, datums, megabytes }) => ({
        size,
        datumsPerSecond: median(datums),
        megabytesPerSecond: median(megabytes),
        ratio: median(megabytes) / median(bareMegabytes),
      })),
    }
  },
}

export interface Measured {
  readonly count: number
  readonly bytes: number
  readonly seconds: number
}

/** A receiving and a sending process that are connected to each other. */
class Pair implements AsyncDisposable {
  readonly #receiver: ChildProcess
  readonly #sender: ChildProcess

  private constructor(receiver: ChildProcess, sender: ChildProcess) {
    this.#receiver = receiver
    this.#sender = sender
  }

  static async start(mode: Mode): Promise<Pair> {
    const receiver = forkPeer()
    const { addresses } = await ask(receiver, { type: 'receive', mode }, 'ready')
    const sender = forkPeer()
    await ask(sender, { type: 'connect', mode, addresses }, 'ready')
    return new Pair(receiver, sender)
  }

  async measure(size: number): Promise<Measured> {
    return (await ask(this.#sender, { type: 'send', size, ms: roundMs }, 'sent')).measured
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#sender, this.#receiver]) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
  }
}

function forkPeer(): ChildProcess {
  return fork(fileURLToPath(new URL('./stream-peer.ts', import.meta.url)), [], { execArgv: [] })
}

async function ask<T extends FromPeer['type']>(
  child: ChildProcess,
  order: ToPeer,
  answer: T,
): Promise<Extract<FromPeer, { type: T }>> {
  const { promise, resolve, reject } = Promise.withResolvers<FromPeer>()
  const onMessage = (message: FromPeer): void => resolve(message)
  const onExit = (code: number | null): void => reject(new Error(`a benchmark process ended with ${code}`))
  child.once('message', onMessage).once('exit', onExit)
  child.send(order)
  try {
    const message = await promise
    if (message.type !== answer)
      throw new Error(message.type === 'failed' ? message.message : `unexpected ${message.type}`)
    return message as Extract<FromPeer, { type: T }>
  } finally {
    child.off('message', onMessage).off('exit', onExit)
  }
}

// Datums per second through a stream, beside the transport under it, NATS and moleculer.
import { type Benchmark, median, spread, table } from './benchmark.ts'
import { Callable } from './calls.ts'
import { NatsServer } from './nats-server.ts'
import { nodeOptions } from './node-options.ts'
import type { Transport } from './transports.ts'
import type { Order, Sent, StreamPeer } from './stream-peer.ts'

const roundMs = 1_500
const sizes = [128, 1024, 64 * 1024]
const frameBytes = 64 * 1024

/** One row of the result, with a figure for each run. */
interface Row {
  readonly name: string
  readonly size: number
  readonly datums: number[]
  readonly megabytes: number[]
  /** Processor seconds per million datums: of both processes, and of the broker where there is one. */
  readonly cpu: number[]
  /** What it is compared with: the bare transport that it runs over. */
  readonly bare: string | undefined
}

export const benchmark: Benchmark = {
  method: `Two processes on loopback with the options and threads that node processes have, and for NATS its server. In each run and in turn: the bare transports (one libp2p stream with our settings, the same ${frameBytes / 1024} KiB written again and again); mosaik streams with datums of ${sizes.join(', ')} B (a record of nine fields, encoded size, judged at both ends, "block"), sent and taken one by one (await send, for await) or in batches (sendMany of up to 256, batches()); NATS with opaque bytes of the same sizes, and with the same records judged and coded by our codec; moleculer's events over TCP with the same records as its JSON, which is longer. Each measurement sends for ${roundMs} ms and stops the clock when the consumer has confirmed everything. Ratios are of medians: against the bare transport by bytes, against NATS with opaque bytes by datums. CPU is that of all processes, in seconds per million datums. First run not counted.`,
  runs: 5,
  async run({ runs, say }) {
    await using stack = new AsyncDisposableStack()
    const nats = await NatsServer.start()
    if (nats === undefined) say('nats-server is not installed: going on without it\n')
    else stack.use(nats)
    const measurements = await contenders(stack, nats)
    const rows = measurements.map(({ row }) => row)
    for (let run = -1; run < runs; run++) {
      for (const { row, measure } of measurements) {
        const { sent, cpuSeconds } = await measure()
        if (run < 0) continue
        row.datums.push(sent.count / sent.seconds)
        row.megabytes.push(sent.bytes / 1e6 / sent.seconds)
        row.cpu.push(cpuSeconds / (sent.count / 1e6))
      }
    }
    say(table([titles, ...rows.map((row) => cells(row, rows))]))
    return rows.map((row) => ({ ...row, ...ratios(row, rows) }))
  },
}

interface Measurement {
  readonly row: Row
  readonly measure: () => Promise<{ sent: Sent; cpuSeconds: number }>
}

const natsOpaque = 'NATS, bytes'

async function contenders(
  stack: AsyncDisposableStack,
  nats: NatsServer | undefined,
): Promise<readonly Measurement[]> {
  const all: Measurement[] = []
  const order = { size: frameBytes, ms: roundMs, take: 'each', encoded: false } as const
  const add = (pair: Pair, name: string, changes: Partial<Order>, bare?: string): void => {
    const whole: Order = { ...order, ...changes }
    const row = { name, size: whole.size, datums: [], megabytes: [], cpu: [], bare }
    all.push({ row, measure: () => pair.measure(whole) })
  }
  for (const transport of ['quic', 'tls'] as const) {
    const bareName = transport === 'quic' ? 'bare QUIC' : 'bare TCP+tls'
    const name = transport === 'quic' ? 'mosaik QUIC' : 'mosaik TCP+tls'
    add(stack.use(await Pair.start('stream-bare-peer.ts', transport)), bareName, {})
    const mosaik = stack.use(await Pair.start('stream-mosaik-peer.ts', transport))
    for (const size of sizes) {
      add(mosaik, `${name}, each`, { size }, bareName)
      add(mosaik, `${name}, batches`, { size, take: 'batches' }, bareName)
    }
  }
  if (nats !== undefined) {
    const pair = stack.use(await Pair.start('stream-nats-peer.ts', 'tls', nats))
    for (const size of sizes) {
      add(pair, natsOpaque, { size })
      add(pair, 'NATS, our codec', { size, encoded: true })
    }
  }
  const moleculer = stack.use(await Pair.start('stream-moleculer-peer.ts', 'tls'))
  for (const size of sizes) add(moleculer, 'moleculer, JSON', { size })
  return all
}

/** A receiving and a sending process that are connected to each other. */
class Pair implements AsyncDisposable {
  readonly #receiver: Callable<StreamPeer>
  readonly #sender: Callable<StreamPeer>
  readonly #broker: NatsServer | undefined

  private constructor(file: string, broker: NatsServer | undefined) {
    this.#receiver = new Callable<StreamPeer>(file, nodeOptions(2))
    this.#sender = new Callable<StreamPeer>(file, nodeOptions(2))
    this.#broker = broker
  }

  static async start(file: string, transport: Transport, broker?: NatsServer): Promise<Pair> {
    const pair = new Pair(file, broker)
    const options = { transport, broker: broker?.url ?? '' }
    const addresses = await pair.#receiver.call('receive', options)
    await pair.#sender.call('connect', options, addresses)
    return pair
  }

  async measure(order: Order): Promise<{ sent: Sent; cpuSeconds: number }> {
    await this.#receiver.call('prepare', order)
    const before = await this.#cpuSeconds()
    const sent = await this.#sender.call('send', order)
    return { sent, cpuSeconds: (await this.#cpuSeconds()) - before }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sender[Symbol.asyncDispose]()
    await this.#receiver[Symbol.asyncDispose]()
  }

  async #cpuSeconds(): Promise<number> {
    const [sender, receiver] = await Promise.all([this.#sender.cpuSeconds(), this.#receiver.cpuSeconds()])
    return sender + receiver + (this.#broker?.cpuSeconds() ?? 0)
  }
}

const titles = ['', 'B', 'datums/s', 'MB/s', 'CPU s/M', 'of bare', 'of NATS']

function cells(row: Row, rows: readonly Row[]): string[] {
  const { ofBare, ofNats } = ratios(row, rows)
  return [
    row.name,
    String(row.size),
    spread(row.datums),
    spread(row.megabytes, 1),
    median(row.cpu).toFixed(2),
    ofBare?.toFixed(2) ?? '',
    ofNats?.toFixed(2) ?? '',
  ]
}

function ratios({ name, size, bare, datums, megabytes }: Row, rows: readonly Row[]) {
  const under = rows.find((row) => row.name === bare)
  const nats = rows.find((row) => row.name === natsOpaque && row.size === size)
  const isCompared = nats !== undefined && !name.startsWith('bare')
  return {
    ofBare: under && median(megabytes) / median(under.megabytes),
    ofNats: isCompared ? median(datums) / median(nats.datums) : undefined,
  }
}

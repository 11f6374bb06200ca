// Datums per second through the codecs of streams, without a stream.
import { stream, type StreamDefinition } from '#framework/streams'
import { z } from 'zod'
import { type Benchmark, spread, table } from './benchmark.ts'

const datumCount = 4_096
const measureMs = 200

const orderSchema = z.object({
  id: z.string(),
  price: z.number(),
  quantity: z.number(),
  side: z.enum(['buy', 'sell']),
  at: z.number(),
})
const constrainedSchema = z.object({
  id: z.string().min(1).max(16),
  price: z.number().positive(),
  quantity: z.int().min(1),
  side: z.enum(['buy', 'sell']),
  at: z.int(),
})
const noteSchema = orderSchema.extend({ note: z.string() })
const payloadSchema = z.object({ sequence: z.number(), payload: z.instanceof(Uint8Array) })

const order = (index: number): z.infer<typeof orderSchema> => ({
  id: `order${10_000 + index}`,
  price: 100 + index / 8,
  quantity: 1 + (index % 500),
  side: index % 2 === 0 ? 'buy' : 'sell',
  at: 1_800_000_000_000 + index,
})
const noted = (index: number): z.infer<typeof noteSchema> => ({
  ...order(index),
  note: `${index}`.padEnd(91),
})
const payload = (index: number): z.infer<typeof payloadSchema> => ({
  sequence: index,
  payload: new Uint8Array(96).fill(index),
})

interface Subject {
  readonly name: string
  /** How many encoded bytes a datum has. */
  readonly bytes: number
  readonly encode: () => void
  readonly decode: () => void
  readonly encoded: number[]
  readonly decoded: number[]
}

export const benchmark: Benchmark = {
  method: `One process: ${datumCount} different datums are judged and written one after the other into one buffer, and read and judged from it, again and again for ${measureMs} ms; the kinds in turn, first run not counted. "MessagePack" is the codec for shapes without a layout: zod judges, MessagePack carries. An order has a text of 10 characters, three numbers and a choice; with constraints, its numbers are integers and all but the choice is bounded. Millions per second of processor time.`,
  runs: 9,
  async run({ runs, say }) {
    const subjects = [
      ...subjectsOf('an order', orderSchema, order),
      ...subjectsOf('an order, constraints', constrainedSchema, order),
      ...subjectsOf('an order with a note, 128 B', noteSchema, noted),
      ...subjectsOf('a number and 96 bytes', payloadSchema, payload),
    ]
    for (let run = -1; run < runs; run++) {
      for (const { encode, decode, encoded, decoded } of subjects) {
        const [written, read] = [millionsPerSecond(encode), millionsPerSecond(decode)]
        if (run < 0) continue
        encoded.push(written)
        decoded.push(read)
      }
    }
    const rows = subjects.map(({ name, bytes, encoded, decoded }) => [
      name,
      `${bytes}`,
      spread(encoded, 1),
      spread(decoded, 1),
    ])
    say(table([['', 'bytes', 'written', 'read'], ...rows]))
    return subjects.map(({ name, bytes, encoded, decoded }) => ({ name, bytes, encoded, decoded }))
  },
}

/** The codec of the shape, and MessagePack for the same datums: a field of any kind has no layout. */
function subjectsOf<S extends z.ZodObject>(
  name: string,
  schema: S,
  datumOf: (index: number) => z.output<S>,
): readonly Subject[] {
  const datums = Array.from({ length: datumCount }, (_, index) => datumOf(index))
  const open = schema.extend({ anything: z.unknown().optional() })
  return [
    subject(name, stream('bench.codec', schema), datums),
    subject('  MessagePack', stream('bench.codec', open), datums as z.output<typeof open>[]),
  ]
}

function subject<T>(name: string, { codec }: StreamDefinition<T>, datums: readonly T[]): Subject {
  const target = Buffer.alloc(1 << 20)
  const ends: number[] = []
  const encode = (): void => {
    ends.length = 0
    let end = 0
    for (const datum of datums) {
      end = codec.encode(datum, target, end)
      ends.push(end)
    }
    if (end < 0) throw new Error('there is not enough room')
  }
  const decode = (): void => {
    let start = 0
    for (const end of ends) {
      codec.decode(target, start, end)
      start = end
    }
  }
  encode()
  return { name, bytes: ends[0]!, encode, decode, encoded: [], decoded: [] }
}

/** Of processor time, which other processes do not take away. */
function millionsPerSecond(round: () => void): number {
  const startedAt = performance.now()
  const before = process.cpuUsage()
  let rounds = 0
  while (performance.now() - startedAt < measureMs) {
    round()
    rounds++
  }
  const { user, system } = process.cpuUsage(before)
  return (rounds * datumCount) / (user + system)
}

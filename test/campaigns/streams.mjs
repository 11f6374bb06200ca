// Streams whose ends come, go, stall, freeze and crash at random, in processes of their own over QUIC. Runs the built code.
//
//   npm run build && npm run campaign:streams -- [--minutes 10 | --seconds 20] [--seed 1] [--rate 300]
//
// Two processes produce every case (streams-cases.mjs), four consume them. One of the producers and one of the consumers stay,
// and their memory is watched; all others leave or are killed and come back as the same peer. What happens when comes from the seed,
// and how it turns out from the machine. Ends with 1 when
//
// - datums come out of order, twice, or with a number that is not theirs;
// - what a consumer was to get is not exactly what it received and what it was told is lost;
// - anything is lost that is kept for who comes back, by replay or until it is acknowledged;
// - a consumer with nothing to wait for has not taken all that was accepted;
// - the memory of one of the two that stay grows;
// - something does not end.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../dist/framework/primitives/index.js'
import { cases } from './streams-cases.mjs'
import { AcceptedLog, describeLoss, FaultLog, hasExpired } from './streams-losses.ts'
import { byMinute, mebibytesPerMinute, redeliveries, table } from './streams-report.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    rate: { type: 'string', default: '300' },
  },
})
const durationMs =
  values.seconds === undefined ? 60_000 * Number(values.minutes) : 1_000 * Number(values.seconds)
const random = seededRandom(values.seed)
const folder = mkdtempSync(join(tmpdir(), 'mosaik-campaign-'))
const actionMs = 500
/** Generous: a process needs a second to start on a machine that is not busy. */
const startTimeoutMs = 60_000
const endTimeoutMs = 20_000
const pauseTimeoutMs = 40_000
/**
 * V8 gives its young generation up to 100 MiB as time goes by, which it takes although next to nothing is kept. With 1 MiB for
 * each half, what the process holds is what we hold.
 */
const execArgv = ['--expose-gc', '--max-semi-space-size=1']
const growthMebibytesPerMinuteMax = 2
/** Before that the pools are still growing to their size, and functions are compiled. */
const warmUpMs = 120_000

const violations = []
/** How many datums each life of a producer has accepted, as far as is known. */
const accepted = new Map()
const acceptedLog = new AcceptedLog()
/** The last report of each consumer process about each case. */
const reports = new Map()
/** Samples of each place that is watched. */
const memory = new Map()
const faults = new FaultLog()

const shownMax = 40

const violated = (sentence) => {
  violations.push(sentence)
  if (violations.length <= shownMax) console.log(`VIOLATION ${sentence}`)
}

/** A process that is there as long as the campaign, though not always the same one. */
class Place {
  incarnation = 0
  #child
  /** The process that is meant to end. */
  #leaving
  #done = new Map()
  #orderCount = 0

  /** @param stays Whether nobody ends it before the campaign does; then its memory is watched. */
  constructor(role, name, seedAddresses, { stays = false } = {}) {
    Object.assign(this, { role, name, seedAddresses, stays })
  }

  get isThere() {
    return this.#child !== undefined
  }

  async start() {
    const order = {
      role: this.role,
      name: `${this.name}.${++this.incarnation}`,
      network: `campaign ${values.seed} ${process.pid}`,
      folder: join(folder, this.name),
      seedAddresses: this.seedAddresses,
      seed: values.seed,
      perSecond: Number(values.rate),
      isWatched: this.stays,
    }
    const child = fork(new URL('./streams-peer.mjs', import.meta.url), [JSON.stringify(order)], {
      execArgv,
    })
    const ready = Promise.withResolvers()
    child.on('message', (message) => this.#hear(order.name, message, ready.resolve))
    child.on('exit', (code, signal) => {
      if (this.#leaving !== child) violated(`${order.name}: has ended by itself, with ${signal ?? code}`)
      ready.resolve({ addresses: [] })
      for (const done of this.#done.values()) done()
    })
    const told = await inTime(startTimeoutMs, ready.promise)
    if (told === undefined) violated(`${order.name}: did not start`)
    this.#child = child
    return told
  }

  /** Resolves when it is carried out. */
  async tell(type, { timeoutMs = endTimeoutMs, ...details } = {}) {
    const id = this.#orderCount++
    const done = new Promise((resolve) => this.#done.set(id, () => resolve(true)))
    if (this.#child.connected) this.#child.send({ type, id, ...details })
    else this.#done.get(id)()
    if ((await inTime(timeoutMs, done)) === undefined)
      violated(`${this.name}.${this.incarnation}: "${type}" takes longer than ${timeoutMs} ms`)
    this.#done.delete(id)
  }

  kill(signal) {
    this.#child.kill(signal)
  }

  /** Is gone afterwards: at once, or in order. */
  async end(how) {
    const child = this.#child
    this.#child = undefined
    this.#leaving = child
    const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
    if (how === 'kill') child.kill('SIGKILL')
    else if (child.connected) child.send({ type: 'leave' })
    const isOver = await inTime(
      endTimeoutMs,
      Promise.resolve(exited).then(() => true),
    )
    if (isOver === undefined) {
      violated(`${this.name}.${this.incarnation}: does not end`)
      child.kill('SIGKILL')
    }
  }

  #hear(name, message, onReady) {
    switch (message.type) {
      case 'ready':
        return onReady(message)
      case 'done':
        return this.#done.get(message.id)?.()
      case 'violation':
        return violated(message.sentence)
      case 'accepted':
        acceptedLog.add(message.life, message.accepted, message.atMs)
        return accepted.set(message.life, message)
      case 'memory':
        memory.set(this.name, [...(memory.get(this.name) ?? []), { ...message, ms: performance.now() }])
        return
      default:
        reports.set(`${name} ${message.kind}`, { ...message, name })
    }
  }
}

console.log(
  `seed ${values.seed}, ${durationMs / 1_000} s, ${values.rate} datums a second for each stream and producer`,
)
const steady = new Place('producer', 'producer-stays', [], { stays: true })
const { addresses } = await steady.start()
const restless = new Place('producer', 'producer-goes', addresses)
const consumers = [
  ...[1, 2, 3].map((number) => new Place('consumer', `consumer-${number}`, addresses)),
  new Place('consumer', 'consumer-stays', addresses, { stays: true }),
]
await Promise.all([restless, ...consumers].map((place) => place.start()))

const actions = { stall: 0, freeze: 0, leave: 0, kill: 0, reopen: 0 }
const busy = new Set()
const endsAt = performance.now() + durationMs
while (performance.now() < endsAt) {
  await sleep(random.int(2 * actionMs))
  void act()
}
await Promise.all(busy)

await Promise.all([steady, restless].map((place) => place.tell('pause', { timeoutMs: pauseTimeoutMs })))
for (const sentence of await untilTaken()) violated(sentence)
await Promise.all([...consumers, steady, restless].map((place) => place.end('leave')))
judgeLosses()
const redelivered = judgeRedelivery()
summarise()
rmSync(folder, { recursive: true })
process.exitCode = violations.length === 0 ? 0 : 1

/** Does something to somebody. All chance is taken before the first await, so that the seed decides what is done. */
async function act() {
  const dice = random.float()
  const kind = cases[random.int(cases.length)].name
  const ms = 200 + random.int(3_800)
  const place = [...consumers, restless][random.int(5)]
  if (dice < 0.5) {
    const consumer = consumers[random.int(4)]
    if (busy.has(consumer) || !consumer.isThere) return
    actions.stall++
    const fromMs = Date.now()
    faults.add({ place: consumer.name, kind, what: 'stall', fromMs, toMs: fromMs + ms })
    await consumer.tell('stall', { kind, ms })
    return
  }
  if (dice < 0.65) {
    const producer = random.float() < 0.5 ? steady : restless
    await exclusively(producer, async () => {
      actions.reopen++
      await producer.tell('reopen', { kind })
    })
    return
  }
  await exclusively(place, async () => {
    if (dice < 0.75) {
      actions.freeze++
      const over = faults.begin(place.name, 'freeze', Date.now())
      place.kill('SIGSTOP')
      await sleep(ms)
      place.kill('SIGCONT')
      over(Date.now())
      return
    }
    if (place.stays) return
    const how = dice < 0.87 ? 'leave' : 'kill'
    actions[how]++
    const over = faults.begin(place.name, how, Date.now())
    await place.end(how)
    await sleep(ms / 4)
    await place.start()
    over(Date.now())
  })
}

/** Nothing else is done to the place meanwhile; not at all when something is being done already. */
async function exclusively(place, run) {
  if ([...busy].some((each) => each.place === place)) return
  const work = Object.assign(run(), { place })
  busy.add(work)
  await work
  busy.delete(work)
}

/** What the consumers still lack of all that was accepted; waits for those who have come back only now. */
async function untilTaken() {
  const dueAt = performance.now() + endTimeoutMs
  for (;;) {
    await Promise.all(consumers.map((place) => place.tell('report')))
    const lacking = whatIsNotTaken()
    if (lacking.length === 0 || performance.now() > dueAt) return lacking
    await sleep(500)
  }
}

/**
 * Consumers have to know all that was accepted in the lives of producers that they are subscribed to. About others they
 * cannot know more than there was to know.
 */
function whatIsNotTaken() {
  return consumers.flatMap((place) =>
    cases.flatMap((kind) => {
      const report = reports.get(`${place.name}.${place.incarnation} ${kind.name}`)
      return (report?.lives ?? []).flatMap(({ life, next }) => {
        const known = accepted.get(life)
        if (known?.isFinal !== true) return []
        const isSubscribed = known.isPaused && report.connected.includes(known.peer)
        const isWrong = next > known.accepted || (isSubscribed && kind.wantedCount(next, known.accepted) > 0)
        return isWrong
          ? [
              `${report.name}: ${kind.name}: knows ${next} datums of ${life}, which has sent ${known.accepted}`,
            ]
          : []
      })
    }),
  )
}

/**
 * Where what was missed is kept, two things may be lost. The end of a life: a producer that closes waits for two seconds for those
 * who do not take what it has for them. And what is older than what is kept: whoever has just begun with the oldest of that
 * and is away for a moment finds it gone.
 */
function judgeLosses() {
  const all = [...reports.values()]
  const lifeOf = new Map(
    all
      .flatMap(({ lives }) => lives.map(({ epoch, life }) => [epoch, life]))
      .filter(([, life]) => life !== undefined),
  )
  for (const { losesNothing, keeps, keptCount, name: kind } of cases) {
    if (!losesNothing) continue
    for (const report of all.filter((each) => each.kind === kind)) {
      for (const { epoch, gaps } of report.lives) {
        const life = lifeOf.get(epoch)
        const known = accepted.get(life)
        for (const gap of gaps) {
          if (known?.isFinal && gap.before === known.accepted) continue
          const acceptedBy = acceptedLog.by(life, gap.atMs)
          if (hasExpired(gap, keptCount, acceptedBy)) continue
          const counts = { acceptedBy, accepted: known?.accepted }
          violated(describeLoss({ consumer: report.name, kind, life, gap, ...counts, keeps }, faults))
        }
      }
    }
  }
}

/** What a consumer had been given and had not acknowledged when it was killed comes again, and nothing is left out. */
function judgeRedelivery() {
  let count = 0
  for (const place of consumers) {
    for (const { name } of cases.filter(({ atLeastOnce }) => atLeastOnce)) {
      const lines = readFileSync(join(folder, place.name, `${name}.taken`), 'utf8').split('\n')
      const { again, missing } = redeliveries(lines)
      count += again
      for (const sentence of missing) violated(`${place.name}: ${name}: ${sentence}`)
    }
  }
  return count
}

function summarise() {
  const rows = cases.map(({ name }) => {
    const sent = [...accepted.values()].filter(({ kind }) => kind === name)
    const finals = [...reports.values()].filter(({ kind }) => kind === name)
    const lives = finals.flatMap((report) => report.lives)
    const sum = (pick) => lives.reduce((total, life) => total + pick(life), 0)
    return {
      case: name,
      'lives of producers': sent.length,
      accepted: sent.reduce((total, each) => total + each.accepted, 0),
      'lives of consumers': finals.length,
      subscriptions: sum(({ subscriptionCount }) => subscriptionCount),
      received: sum(({ received }) => received),
      'reported lost': sum(({ lost }) => lost),
    }
  })
  console.log(table(rows))
  console.log(
    Object.entries(actions)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
  )
  console.log(`${redelivered} datums came again, to consumers that had not acknowledged them`)
  if (durationMs < 2 * warmUpMs) {
    console.log('too short to tell whether memory grows')
  } else {
    for (const [name, samples] of memory) judgeMemory(name, samples)
  }
  console.log(violations.length === 0 ? 'no violations' : `${violations.length} violations`)
}

function judgeMemory(name, samples) {
  const slope = mebibytesPerMinute(samples.filter(({ ms }) => ms - samples[0].ms > warmUpMs))
  console.log(
    `memory of ${name}, after collecting garbage: ${slope.toFixed(2)} MiB more a minute, from minute ${warmUpMs / 60_000} on`,
  )
  for (const { minute, bytes, usedBytes } of byMinute(samples)) {
    const [resident, used] = [bytes, usedBytes].map((count) => Math.round(count / 2 ** 20))
    console.log(`  minute ${minute}: ${resident} MiB, of which ${used} are in use`)
  }
  if (slope > growthMebibytesPerMinuteMax)
    violated(`memory of ${name} grows by ${slope.toFixed(2)} MiB a minute`)
}

/** Undefined when it does not settle in time. */
async function inTime(ms, promise) {
  const timer = new AbortController()
  const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)
  const result = await Promise.race([promise, late])
  timer.abort()
  return result
}

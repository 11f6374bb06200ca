// A process of the campaign of streams: one node that produces or consumes every case, until it is told to leave or is
// killed. Says what it does by IPC.
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOf, isMosaikError, messageOf, seededRandom } from '../../dist/framework/primitives/index.js'
import { Host, Identity } from '../../dist/framework/network/index.js'
import { Discovery, seeds } from '../../dist/framework/discovery/index.js'
import { Streams } from '../../dist/framework/streams/index.js'
import { ConsumerAccount } from './streams-account.mjs'
import { bucketOf, cases } from './streams-cases.mjs'

const { role, name, network, folder, seedAddresses, seed, perSecond, isWatched } = JSON.parse(process.argv[2])
const listen = ['/ip4/127.0.0.1/udp/0/quic-v1']
const drainTimeoutMs = 30_000
const notes = Array.from({ length: 16 }, (_, index) => 'x'.repeat(2 ** (index % 11)))

const host = await Host.start({
  network: digestOf(network),
  listen,
  identity: await Identity.fromFolder(folder),
})
const discovery = await Discovery.start({ host, bootstrap: [seeds(seedAddresses)] })
const streams = Streams.start({ host, discovery })

const tell = (message) => process.send?.(message)
const violated = (sentence) => tell({ type: 'violation', sentence: `${name}: ${sentence}` })
/** The campaign is over, or was stopped: nobody is there to leave anything for. */
process.on('disconnect', () => process.exit(1))
process.on('unhandledRejection', (error) => {
  violated(`failed: ${error?.stack ?? error}`)
  process.exit(1)
})

class ProducerLoop {
  #kind
  #random
  #generation = 0
  #isPaused = false
  #sending
  #producer

  constructor(kind) {
    this.#kind = kind
    this.#random = seededRandom(`${seed} ${name} ${kind.name}`)
    this.#begin()
  }

  /** Retires the stream and begins a new life of it. */
  async reopen() {
    await this.close()
    this.#begin()
  }

  /** Sends no more, and waits until what was sent is taken. */
  async pause() {
    this.#isPaused = true
    await this.#sending
    await this.#producer.drain({ signal: AbortSignal.timeout(drainTimeoutMs) })
    this.#report({ isFinal: true, isPaused: true })
  }

  async close() {
    await this.#producer.close()
    await this.#sending
    this.#report({ isFinal: true })
  }

  #begin() {
    this.#producer = streams.produce(this.#kind.definition, this.#kind.producer)
    this.life = `${name}#${process.pid}#${this.#kind.name}#${this.#generation++}`
    this.accepted = 0
    this.#sending = this.#send()
  }

  async #send() {
    const producer = this.#producer
    const random = this.#random
    const pauseMsMax = 40
    let reportDueAt = performance.now()
    while (!this.#isPaused) {
      const burst = 1 + random.int((2 * pauseMsMax * perSecond) / 2_000)
      const waits = random.float() < 0.5
      for (let count = 0; count < burst && !this.#isPaused; count++) {
        const n = this.accepted
        const datum = { life: this.life, n, bucket: bucketOf(n), note: notes[random.int(notes.length)] }
        try {
          if (waits) await producer.send(datum, { signal: AbortSignal.timeout(500) })
          else producer.trySend(datum)
          this.accepted++
        } catch (error) {
          if (isMosaikError(error, 'PRODUCER_CLOSED')) return
          const isExpected =
            error.name === 'TimeoutError' ||
            isMosaikError(error, 'PRODUCER_FULL') ||
            isMosaikError(error, 'PRODUCER_OFFLINE')
          if (!isExpected) violated(`${this.#kind.name}: could not send: ${messageOf(error)}`)
          break
        }
      }
      if (performance.now() >= reportDueAt) {
        reportDueAt = performance.now() + 1_000
        this.#report()
      }
      await sleep(random.int(pauseMsMax))
    }
  }

  #report({ isFinal = false, isPaused = false } = {}) {
    const { accepted } = this.#producer.stats()
    if (accepted !== this.accepted)
      violated(
        `${this.#kind.name}: ${this.accepted} sends succeeded, and the producer has counted ${accepted}`,
      )
    tell({
      type: 'accepted',
      kind: this.#kind.name,
      life: this.life,
      peer: host.peerId,
      accepted,
      atMs: Date.now(),
      isFinal,
      isPaused,
    })
  }
}

class ConsumerLoop {
  #kind
  #account
  #consumer
  #taking
  #stalledUntil = 0

  constructor(kind) {
    this.#kind = kind
    this.#account = new ConsumerAccount(kind, violated)
    this.#consumer = streams.consume(kind.definition, kind.consumer)
    void this.#watch()
    this.#taking = this.#take()
  }

  /** Takes nothing for so long. */
  stall(ms) {
    this.#stalledUntil = performance.now() + ms
  }

  async close() {
    this.stall(0)
    await this.#consumer.close()
    await this.#taking
    // The last events are read in later turns.
    await sleep(50)
    this.#account.settle()
    this.report('final')
  }

  report(type) {
    const connected = this.#consumer.subscriptions.value
      .filter(({ state }) => state === 'connected')
      .map(({ producer }) => producer)
    tell({ type, kind: this.#kind.name, lives: this.#account.report(), connected })
  }

  async #watch() {
    for await (const event of this.#consumer.events()) this.#account.onEvent(event)
  }

  async #take() {
    for await (const envelope of this.#consumer.envelopes()) {
      while (performance.now() < this.#stalledUntil) await sleep(20)
      this.#account.onDatum(envelope)
      // Not by IPC, which a killed process may leave unsent: what is written here is acknowledged afterwards.
      if (this.#kind.atLeastOnce)
        appendFileSync(`${folder}/${this.#kind.name}.taken`, `${envelope.datum.life} ${envelope.sequence}\n`)
    }
  }
}

const loops = new Map(
  cases.map((kind) => [kind.name, role === 'producer' ? new ProducerLoop(kind) : new ConsumerLoop(kind)]),
)
tell({ type: 'ready', addresses: host.addresses.value, peer: host.peerId })
if (role === 'consumer') {
  setInterval(() => {
    for (const loop of loops.values()) loop.report('report')
  }, 1_000).unref()
}
if (isWatched) {
  setInterval(() => {
    // What is garbage says nothing about what is kept.
    globalThis.gc()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    tell({ type: 'memory', bytes: rss, usedBytes: heapUsed + arrayBuffers })
  }, 5_000).unref()
}

const orders = {
  stall: ({ kind, ms }) => loops.get(kind).stall(ms),
  reopen: ({ kind }) => loops.get(kind).reopen(),
  pause: () => Promise.all([...loops.values()].map((loop) => loop.pause())),
  report: () => {
    for (const loop of loops.values()) loop.report('report')
  },
  leave: async () => {
    await Promise.all([...loops.values()].map((loop) => loop.close()))
    await streams.close()
    await discovery.close()
    await host.close()
  },
}

async function obey(order) {
  await orders[order.type](order)
  tell({ type: 'done', id: order.id })
  if (order.type === 'leave') process.disconnect()
}

// A process that cannot do what it is told ends, and the campaign with it.
process.on('message', (order) => void obey(order))

import { MosaikError, raceSignal } from '#framework/primitives'
import type { ByteStream, ByteStreamHandlers } from '../../../framework/network/byte-stream.js'
import type { SimNetwork } from '../environment/network.js'
import type { Timeline } from '../environment/timeline.js'
import type { Process } from './process.js'

/** How long it takes until what a blocked link did not carry is sent again. */
const RETRY_MS = 150
/** Bytes that may be on their way before their writer has to wait. */
const BUFFERED_BYTES_MAX = 256 * 1024

/** A host, as far as others can reach what runs there. */
export interface Reachable {
  /** Undefined when nothing runs there. */
  readonly process: Process | undefined
  /** Takes on a stream that somebody has opened. */
  accept(from: number, protocol: string, stream: ByteStream): void
}

/** What streams go through. */
interface Ways {
  readonly timeline: Timeline
  readonly network: SimNetwork<unknown>
  /** By number. */
  readonly hosts: () => readonly Reachable[]
}

/**
 * Streams of bytes between processes: reliable and in order for as long as they last, over links that lose, delay and block.
 * A stream ends with either process: at once for the other side when the machine goes on and can say so, otherwise when
 * something reaches a machine that knows nothing of it.
 */
export class SimConnections {
  readonly #ways: Ways

  constructor(ways: Ways) {
    this.#ways = ways
  }

  /** Opens a stream to a host. Nobody may be there: then nothing ever comes of it. */
  open(from: number, process: Process, to: number, protocol: string): ByteStream {
    const { timeline, network, hosts } = this.#ways
    const near = new StreamEnd(this.#ways, from, process)
    const knock = (): void => {
      if (!process.isAlive) return
      if (network.isBlocked(from, to)) return timeline.after(RETRY_MS, knock)
      const host = hosts()[to]
      if (host?.process === undefined) return
      const far = new StreamEnd(this.#ways, to, host.process)
      near.join(far)
      far.join(near)
      host.process.soon(() => host.accept(from, protocol, far))
    }
    timeline.after(network.transitMs(from, to), knock)
    return near
  }
}

/** Something on its way. */
type Parcel =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly readyAtMs: number }
  | { readonly kind: 'end'; readonly readyAtMs: number }
  | { readonly kind: 'reset'; readonly readyAtMs: number }

/** One end of a stream. */
class StreamEnd implements ByteStream {
  readonly buffersReusable = false
  readonly chunksReleasable = false
  readonly #ways: Ways
  readonly #host: number
  readonly #process: Process
  #far: StreamEnd | undefined
  /** Written here, and not arrived yet, in order. */
  #outbound: Parcel[] = []
  #outboundBytes = 0
  #isUnderWay = false
  #room: PromiseWithResolvers<void> | undefined
  #flushed: PromiseWithResolvers<void> | undefined
  /** Arrived, and not taken yet. */
  #inbound: Uint8Array[] = []
  #handlers: ByteStreamHandlers | undefined
  #isPaused = false
  #isCleanlyEnded = false
  #isEndTold = false
  #failure: Error | undefined

  constructor(ways: Ways, host: number, process: Process) {
    this.#ways = ways
    this.#host = host
    this.#process = process
    process.onKilled((isMachineUp) => {
      this.#outbound = []
      if (isMachineUp) this.#push({ kind: 'reset', readyAtMs: this.#arrivalMs() })
    })
  }

  /** The other end is there: what was written goes to it. */
  join(far: StreamEnd): void {
    this.#far = far
    this.#sendNext()
  }

  write(bytes: Uint8Array): undefined | Promise<void> {
    if (this.#failure) throw this.#failure
    this.#outboundBytes += bytes.byteLength
    this.#push({ kind: 'bytes', bytes, readyAtMs: this.#arrivalMs() })
    if (this.#outboundBytes < BUFFERED_BYTES_MAX) return undefined
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers
    this.#deliver()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#deliver()
  }

  async endWrite({ signal }: { signal: AbortSignal }): Promise<void> {
    if (this.#failure) throw this.#failure
    signal.throwIfAborted()
    this.#flushed ??= Promise.withResolvers()
    this.#push({ kind: 'end', readyAtMs: this.#arrivalMs() })
    await raceSignal(this.#flushed.promise, signal)
  }

  abort(error: Error): void {
    if (this.#failure) return
    this.#isEndTold = true
    this.#inbound = []
    this.#outbound = []
    this.#fail(error)
    this.#push({ kind: 'reset', readyAtMs: this.#arrivalMs() })
  }

  #push(parcel: Parcel): void {
    this.#outbound.push(parcel)
    this.#sendNext()
  }

  /** Never before what was written earlier. */
  #arrivalMs(): number {
    const { timeline, network } = this.#ways
    // Before the other end is there, it is on the same way as the opening.
    const transitMs = this.#far ? network.transitMs(this.#host, this.#far.#host) : 0
    return Math.max(timeline.nowMs + transitMs, this.#outbound.at(-1)?.readyAtMs ?? 0)
  }

  #sendNext(): void {
    const [parcel] = this.#outbound
    const far = this.#far
    if (this.#isUnderWay || parcel === undefined || far === undefined) return
    const { timeline } = this.#ways
    this.#isUnderWay = true
    timeline.after(Math.max(0, parcel.readyAtMs - timeline.nowMs), () => this.#arrive(far))
  }

  /** What is due has reached the machine of the other end, unless the link is blocked. */
  #arrive(far: StreamEnd): void {
    const { timeline, network, hosts } = this.#ways
    if (network.isBlocked(this.#host, far.#host)) return timeline.after(RETRY_MS, () => this.#arrive(far))
    this.#isUnderWay = false
    const due = this.#outbound.filter(({ readyAtMs }) => readyAtMs <= timeline.nowMs)
    this.#outbound.splice(0, due.length)
    if (far.#process.isAlive) far.#process.soon(() => far.#receive(due))
    else if (hosts()[far.#host]?.process) far.#push({ kind: 'reset', readyAtMs: far.#arrivalMs() })
    this.#sendNext()
  }

  #receive(parcels: readonly Parcel[]): void {
    for (const parcel of parcels) {
      if (parcel.kind === 'reset') return this.#break('the other side has reset the stream')
      if (parcel.kind === 'end') this.#isCleanlyEnded = true
      else if (!this.#isEndTold) this.#inbound.push(parcel.bytes)
    }
    this.#deliver()
  }

  #onTaken(byteLength: number): void {
    this.#outboundBytes -= byteLength
    const room = this.#room
    if (room === undefined || this.#outboundBytes >= BUFFERED_BYTES_MAX) return
    this.#room = undefined
    this.#process.soon(() => room.resolve())
  }

  #onEndTaken(): void {
    this.#process.soon(() => this.#flushed?.resolve())
  }

  #deliver(): void {
    const handlers = this.#handlers
    while (handlers && !this.#isPaused && !this.#isEndTold) {
      const chunk = this.#inbound.shift()
      if (chunk === undefined) break
      this.#far!.#onTaken(chunk.byteLength)
      handlers.onBytes(chunk)
    }
    if (!handlers || this.#isEndTold || this.#inbound.length > 0 || !this.#isCleanlyEnded) return
    this.#isEndTold = true
    this.#far!.#onEndTaken()
    handlers.onEnd({ clean: true })
  }

  #break(text: string): void {
    if (this.#failure) return
    const error = new MosaikError('SIM_STREAM_BROKEN', text)
    this.#fail(error)
    if (this.#isEndTold) return
    this.#isEndTold = true
    this.#handlers?.onEnd({ clean: false, error })
  }

  #fail(error: Error): void {
    this.#failure = error
    for (const waiting of [this.#room, this.#flushed]) {
      waiting?.reject(error)
      // If nobody waits, that is fine.
      waiting?.promise.catch(() => {})
    }
  }
}

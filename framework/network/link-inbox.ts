import { decode, invariant, messageOf, TimeoutError, type Clock, type PeerId } from '#framework/primitives'
import { CloseReasons, closeReason, type CloseReason, type LinkClosedError } from './close-reason.js'
import { FrameKind, type RawFrame } from './frame.js'
import type { LinkIntake } from './link-intake.js'
import type { Frame, FrameReceiver, RecvOptions } from './link.js'

/** The link that an inbox belongs to. */
export interface InboxOwner {
  readonly peer: PeerId
  readonly protocol: string
  /** Nothing is to be received yet. */
  readonly isOpening: boolean
  /** Nothing is to be received any more, beyond what is kept. */
  readonly isEnded: boolean
  /** What a link that has ended tells those who still want something of it. */
  closedError(cause?: unknown): LinkClosedError
  /** Ends the link, because of what the other side has sent or has not; what came after that is worth nothing. */
  refuse(reason: CloseReason, cause?: unknown): LinkClosedError
}

interface WaitingRecv {
  readonly resolve: (frame: Frame) => void
  readonly reject: (cause: unknown) => void
}

/** The receiving end of a link: gives each frame to the one who waits for it, or keeps it until somebody does. */
export class LinkInbox {
  readonly #owner: InboxOwner
  readonly #intake: LinkIntake
  readonly #clock: Clock
  #waiting: WaitingRecv | undefined
  #receiver: FrameReceiver | undefined

  constructor(owner: InboxOwner, intake: LinkIntake, clock: Clock) {
    this.#owner = owner
    this.#intake = intake
    this.#clock = clock
  }

  /** As `Link.recv`. Not an async function, whose promise would hear of the frame two microtasks later than this one. */
  recv(options: RecvOptions): Promise<Frame> {
    try {
      this.#requireNoReceiver()
      options.signal?.throwIfAborted()
      const frame = this.#intake.take()
      if (frame !== undefined) return Promise.resolve(this.#interpret(frame))
      if (this.#owner.isEnded) throw this.#owner.closedError()
      return this.#wait(options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As `Link.recvMessage`. */
  async recvMessage<T>(schema: { parse(value: unknown): T }, options: RecvOptions): Promise<T> {
    const frame = await this.recv(options)
    if (frame.kind !== 'message') throw this.#refuse('bytes arrived where a message was due')
    try {
      return schema.parse(frame.value)
    } catch (cause) {
      throw this.#refuse(`a message is not as expected: ${messageOf(cause)}`, cause)
    }
  }

  /** As `Link.deliverTo`. */
  deliverTo(receiver: FrameReceiver): void {
    this.#requireNoReceiver()
    // What arrives meanwhile is kept behind these.
    for (let frame = this.#intake.take(); frame !== undefined; frame = this.#intake.take()) {
      this.#handOver(frame, receiver)
    }
    if (this.#owner.isEnded) receiver.onEnded(this.#owner.closedError())
    else this.#receiver = receiver
  }

  /** The next frame of the other side has arrived. */
  deliver(frame: RawFrame): void {
    if (this.#receiver !== undefined) return this.#handOver(frame, this.#receiver)
    const waiting = this.#waiting
    if (waiting === undefined) {
      this.#intake.keep(frame)
      return
    }
    // It has its frame: should that be undecodable, it is told so below, and not that the link was closed for it.
    this.#waiting = undefined
    try {
      waiting.resolve(this.#interpret(frame))
    } catch (error) {
      waiting.reject(error)
    }
  }

  /** The link has ended: nobody waits for a frame any more. */
  end(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.reject(this.#owner.closedError())
    const receiver = this.#receiver
    this.#receiver = undefined
    receiver?.onEnded(this.#owner.closedError())
  }

  #requireNoReceiver(): void {
    invariant(!this.#owner.isOpening, 'nothing is received on a link before it is open')
    const isTaken = this.#waiting !== undefined || this.#receiver !== undefined
    invariant(!isTaken, 'a link has one receiver, and it waits already')
  }

  #handOver(raw: RawFrame, receiver: FrameReceiver): void {
    let frame
    try {
      frame = this.#interpret(raw)
    } catch {
      // The link has ended for it, of which the receiver is told.
      return
    }
    receiver.onFrame(frame)
  }

  /** Messages are decoded only when they are taken, so that what waits is no larger in memory than on the wire. */
  #interpret({ kind, body }: RawFrame): Frame {
    if (kind === FrameKind.bytes) return { kind: 'bytes', bytes: body }
    try {
      return { kind: 'message', value: decode(body), byteLength: body.byteLength }
    } catch (cause) {
      throw this.#refuse(`a message cannot be decoded: ${messageOf(cause)}`, cause)
    }
  }

  #wait({ signal, timeoutMs }: RecvOptions): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>()
    this.#waiting = { resolve, reject }
    // As those receive who receive all the time.
    if (signal === undefined && timeoutMs === undefined) return promise
    const leave = (): void => {
      this.#waiting = undefined
      timer?.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
    const onAbort = (): void => {
      leave()
      reject(signal?.reason)
    }
    const onTimeout = (): void => {
      leave()
      const message = `nothing was received within ${timeoutMs} ms`
      const { peer, protocol } = this.#owner
      this.#owner.refuse(closeReason(CloseReasons.Timeout, message))
      reject(new TimeoutError(message, { details: { peer, protocol } }))
    }
    const timer = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, onTimeout)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#waiting = {
      resolve: (frame) => {
        leave()
        resolve(frame)
      },
      reject: (cause) => {
        leave()
        reject(cause)
      },
    }
    return promise
  }

  #refuse(message: string, cause?: unknown): LinkClosedError {
    return this.#owner.refuse(closeReason(CloseReasons.ProtocolViolation, message), cause)
  }
}

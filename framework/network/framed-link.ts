import {
  encode,
  invariant,
  systemClock,
  type Clock,
  type Deadline,
  type NetworkId,
  type PeerId,
} from '#framework/primitives'
import type { ByteStream } from './byte-stream.js'
import { CloseReasons, closeReason, LinkClosedError, type CloseReason } from './close-reason.js'
import {
  FrameError,
  FrameKind,
  frameBytes,
  frameOf,
  FrameTooLargeError,
  FRAME_HEADER_BYTES,
  isWholeFrame,
  OPENING_FRAME_BYTES_MAX,
  type RawFrame,
} from './frame.js'
import { LinkInbox, type InboxOwner } from './link-inbox.js'
import { LinkIntake, type IntakeOwner } from './link-intake.js'
import { LinkLifecycle, type LinkAction, type LinkEnding, type LinkEvent } from './link-lifecycle.js'
import { closeFrame, readClose } from './link-messages.js'
import { LinkOpening } from './link-opening.js'
import { LinkOutbox, type OutboxOwner } from './link-outbox.js'
import {
  defaultLinkLimits,
  type Frame,
  type FrameReceiver,
  type Link,
  type LinkLimits,
  type LinkObserver,
  type LinkProtocol,
  type RecvOptions,
} from './link.js'

/** What a link is made of. */
export interface LinkOptions {
  /** A fresh stream on which this protocol was negotiated. The link owns it from here on, whatever happens. */
  readonly stream: ByteStream
  readonly peer: PeerId
  readonly protocol: LinkProtocol
  readonly network: NetworkId
  readonly limits?: Partial<LinkLimits>
  readonly clock?: Clock
  readonly observer?: LinkObserver
  /** Called when the link is over, once, just before {@link Link.closed} resolves. Must not throw. */
  readonly onOver?: ((link: Link) => void) | undefined
  /** Gives up opening: the link is closed with Cancelled (102), and the opening rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** What a link within one process is made of: its two ends know each other, so there is nothing to check. */
export type OpenedLinkOptions = Omit<LinkOptions, 'network' | 'signal'>

/** A link that the other side has opened and that waits for an answer. */
export interface IncomingLink {
  /** Shows `openPayload`; nothing can be sent or received yet. To refuse, close it with a reason. */
  readonly link: Link
  /**
   * Consents. Resolves when the answer is on its way.
   *
   * @throws {LinkClosedError} LINK_CLOSED, when the opener has gone or the decision took longer than 2 s.
   * @throws {FrameTooLargeError | CodecError} When the payload cannot travel; the link still waits for an answer.
   */
  readonly accept: (payload?: unknown) => Promise<void>
}

/**
 * Opens a link over a fresh outbound stream: says OPEN with our network and the payload, and waits for the other
 * side's ACCEPT.
 *
 * @throws {LinkClosedError} LINK_CLOSED with the other side's reason, or with ours when it answers out of order (400)
 *   or is of another network (101).
 * @throws {TimeoutError} TIMEOUT, when it does not answer within 2 s.
 * @throws {FrameTooLargeError | CodecError} When the payload cannot travel.
 */
export function openLink(options: LinkOptions & { readonly payload?: unknown }): Promise<Link> {
  return FramedLink.open(options, options.payload)
}

/**
 * Waits for OPEN on a fresh inbound stream. Until the opener has shown that it speaks our version and is of our
 * network, nobody sees the link.
 *
 * @throws {LinkClosedError} LINK_CLOSED, when the opener speaks out of order (400), is of another network (101) or
 *   has gone.
 * @throws {TimeoutError} TIMEOUT, when it says nothing within 2 s.
 */
export function acceptLink(options: LinkOptions): Promise<IncomingLink> {
  return FramedLink.accept(options)
}

/**
 * A link over a stream whose two ends agree already, so that nothing is said to open it. For links within one process.
 */
export function openedLink(
  options: OpenedLinkOptions,
  direction: Link['direction'],
  payloads: { readonly open: unknown; readonly accept: unknown },
): Link {
  return FramedLink.opened(options, direction, payloads)
}

class FramedLink implements Link, IntakeOwner, InboxOwner, OutboxOwner {
  readonly peer: PeerId
  readonly protocol: string
  readonly direction: Link['direction']
  openPayload: unknown
  acceptPayload: unknown

  readonly #stream: ByteStream
  readonly #clock: Clock
  readonly #observer: LinkObserver
  readonly #onOver: ((link: Link) => void) | undefined
  readonly #frameBytesMax: number
  readonly #lifecycle: LinkLifecycle
  readonly #intake: LinkIntake
  readonly #inbox: LinkInbox
  readonly #outbox: LinkOutbox
  /** Made when somebody asks for it: most links are followed by nobody but their host, which is told. */
  #over: PromiseWithResolvers<CloseReason> | undefined
  #isOver = false

  #opening: LinkOpening | undefined
  readonly #openingTimeoutMs: number
  #closeTimeoutMs: number
  #deadline: Deadline | undefined
  readonly #events: LinkEvent[] = []
  #isApplying = false

  private constructor(options: OpenedLinkOptions, direction: Link['direction'], phase: 'opening' | 'open') {
    const { stream, peer, protocol, limits, clock = systemClock, observer = {}, onOver } = options
    const { openingTimeoutMs, closeTimeoutMs, inboundFramesMax, inboundBytesMax, waitingSendsMax } = {
      ...defaultLinkLimits,
      ...limits,
    }
    this.peer = peer
    this.protocol = protocol.id
    this.direction = direction
    this.#stream = stream
    this.#clock = clock
    this.#observer = observer
    this.#onOver = onOver
    this.#frameBytesMax = protocol.frameBytesMax
    this.#openingTimeoutMs = openingTimeoutMs
    this.#closeTimeoutMs = closeTimeoutMs
    this.#lifecycle = new LinkLifecycle(phase)
    this.#intake = new LinkIntake({
      stream,
      owner: this,
      frameBytesMax: phase === 'open' ? protocol.frameBytesMax : OPENING_FRAME_BYTES_MAX,
      keptFramesMax: inboundFramesMax,
      keptBytesMax: inboundBytesMax,
    })
    this.#inbox = new LinkInbox(this, this.#intake, clock)
    this.#outbox = new LinkOutbox({ stream, owner: this, waitingMax: waitingSendsMax })
  }

  static async open(options: LinkOptions, payload: unknown): Promise<Link> {
    const link = new FramedLink(options, 'outbound', 'opening')
    const heard = link.#beginOpening(options, 'their-accept')
    link.#sayOpen(payload)
    await heard
    return link
  }

  static async accept(options: LinkOptions): Promise<IncomingLink> {
    const link = new FramedLink(options, 'inbound', 'opening')
    await link.#beginOpening(options, 'their-open')
    return { link, accept: (payload) => link.#accept(payload) }
  }

  static opened(
    options: OpenedLinkOptions,
    direction: Link['direction'],
    payloads: { readonly open: unknown; readonly accept: unknown },
  ): Link {
    const link = new FramedLink(options, direction, 'open')
    link.openPayload = payloads.open
    link.acceptPayload = payloads.accept
    link.#intake.start()
    link.#observer.onOpened?.()
    return link
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get closed(): Promise<CloseReason> {
    if (this.#over === undefined) {
      this.#over = Promise.withResolvers()
      if (this.#isOver) this.#over.resolve(this.#ending.reason)
    }
    return this.#over.promise
  }

  get buffersReusable(): boolean {
    return this.#stream.buffersReusable
  }

  forgetPayloads(): void {
    this.openPayload = undefined
    this.acceptPayload = undefined
  }

  // An async function, so that what is thrown becomes a rejection; it reaches the outbox before it first waits, so
  // that frames leave in the order of the calls.
  async send(message: unknown, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options
    signal?.throwIfAborted()
    this.#assertSendable()
    await this.#outbox.post(frameOf(FrameKind.message, encode(message), this.#frameBytesMax), signal)
  }

  sendFrame(frame: Uint8Array): undefined | Promise<void> {
    try {
      this.#assertSendable()
      invariant(isWholeFrame(frame, FrameKind.bytes), 'sendFrame takes one complete BYTES frame')
      const length = frameBytes(frame.byteLength - FRAME_HEADER_BYTES)
      if (length > this.#frameBytesMax) throw new FrameTooLargeError(length, this.#frameBytesMax)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#outbox.post(frame)
  }

  recv(options: RecvOptions = {}): Promise<Frame> {
    return this.#inbox.recv(options)
  }

  recvMessage<T>(schema: { parse(value: unknown): T }, options: RecvOptions = {}): Promise<T> {
    return this.#inbox.recvMessage(schema, options)
  }

  deliverTo(receiver: FrameReceiver): void {
    this.#inbox.deliverTo(receiver)
  }

  async close(reason: CloseReason, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (!this.isEnded) {
      this.#closeTimeoutMs = options.timeoutMs ?? this.#closeTimeoutMs
      this.#apply({ type: 'close', reason })
    }
    await this.closed
  }

  abort(reason: CloseReason): void {
    this.#apply({ type: 'abort', reason })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close(CloseReasons.Success)
  }

  // Opening

  #beginOpening({ network, signal }: LinkOptions, step: 'their-accept' | 'their-open'): Promise<void> {
    const opening = new LinkOpening({
      step,
      network,
      clock: this.#clock,
      timeoutMs: this.#openingTimeoutMs,
      signal,
      onGivenUp: (reason) => this.#apply({ type: 'refuse', reason }),
    })
    this.#opening = opening
    this.#intake.start()
    opening.heedSignal()
    return opening.heard
  }

  #sayOpen(payload: unknown): void {
    const opening = this.#opening
    if (opening === undefined) return
    this.openPayload = payload
    try {
      // Nobody waits for the room: when writing fails, the lifecycle hears of it and the opening fails.
      this.#outbox.post(opening.frame(payload))?.catch(() => {})
    } catch (error) {
      opening.giveUp(error, CloseReasons.Cancelled)
    }
  }

  async #accept(payload: unknown): Promise<void> {
    invariant(this.#opening !== undefined || this.isEnded, 'a link is accepted once')
    if (this.#opening === undefined) throw this.closedError()
    const frame = this.#opening.frame(payload)
    this.acceptPayload = payload
    const room = this.#outbox.post(frame)
    this.#finishOpening(this.#opening)
    await room
  }

  #handleOpeningFrame(opening: LinkOpening, frame: RawFrame): void {
    const payload = opening.read(frame)
    if (this.direction === 'inbound') {
      this.openPayload = payload
      opening.awaitAnswer()
    } else {
      this.acceptPayload = payload
      this.#finishOpening(opening)
    }
  }

  #finishOpening(opening: LinkOpening): void {
    this.#opening = undefined
    this.#intake.frameBytesMax = this.#frameBytesMax
    this.#apply({ type: 'opened' })
    this.#observer.onOpened?.()
    opening.succeed()
  }

  // From the stream

  onBytes(byteCount: number): void {
    this.#observer.onBytesReceived?.(byteCount)
  }

  onRefused(reason: CloseReason): void {
    this.#apply({ type: 'refuse', reason })
  }

  onReadEnd(clean: boolean, detail: string): void {
    this.#apply({ type: 'read-ended', clean, detail })
  }

  onHandedOver(frame: Uint8Array): void {
    this.#observer.onBytesSent?.(frame.byteLength)
  }

  onWriteFailed(): void {
    this.#apply({ type: 'write-failed' })
  }

  onFrame(frame: RawFrame): void {
    if (frame.kind === FrameKind.close) {
      this.#apply({ type: 'close-received', reason: readClose(frame.body) })
    } else if (this.#opening !== undefined) {
      this.#handleOpeningFrame(this.#opening, frame)
    } else if (frame.kind === FrameKind.message || frame.kind === FrameKind.bytes) {
      this.#inbox.deliver(frame)
    } else {
      throw new FrameError(
        closeReason(CloseReasons.ProtocolViolation, `frame of kind ${frame.kind} out of order`),
      )
    }
  }

  // What the inbox asks of its owner

  get isOpening(): boolean {
    return this.#opening !== undefined
  }

  get isEnded(): boolean {
    return this.#lifecycle.ending !== undefined
  }

  closedError(cause?: unknown): LinkClosedError {
    const { reason, by } = this.#ending
    return new LinkClosedError(reason, by, this, cause === undefined ? undefined : { cause })
  }

  refuse(reason: CloseReason, cause?: unknown): LinkClosedError {
    this.#intake.clear()
    this.#apply({ type: 'refuse', reason })
    return this.closedError(cause)
  }

  #assertSendable(): void {
    if (this.isEnded) throw this.closedError()
    invariant(this.#opening === undefined, 'nothing is sent on a link before it is open')
  }

  // Life

  /** Runs an event to completion before the next one, whichever call it came from. */
  #apply(event: LinkEvent): void {
    this.#events.push(event)
    if (this.#isApplying) return
    this.#isApplying = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const action of this.#lifecycle.handle(next)) this.#perform(action)
      }
    } finally {
      this.#isApplying = false
    }
  }

  #perform(action: LinkAction): void {
    switch (action.do) {
      case 'drop-received':
        this.#intake.clear()
        break
      case 'stop-receiving':
        this.#stopReceiving()
        break
      case 'reject-sends':
        this.#outbox.rejectAll(() => this.closedError())
        break
      case 'start-deadline':
        this.#startDeadline()
        break
      case 'say-close':
        this.#outbox.postLast(closeFrame(action.reason), () => this.#endWriting())
        break
      case 'try-close':
        this.#outbox.tryPost(closeFrame(action.reason))
        break
      case 'abort':
        this.#stream.abort(this.closedError())
        break
      case 'finish':
        this.#finish()
        break
    }
  }

  #stopReceiving(): void {
    this.#intake.stop()
    this.#inbox.end()
    this.#opening?.fail(this.closedError())
    this.#opening = undefined
  }

  #startDeadline(): void {
    this.#deadline = this.#clock.deadline(this.#closeTimeoutMs)
    this.#deadline.signal.addEventListener('abort', () => this.#apply({ type: 'deadline' }), { once: true })
  }

  #endWriting(): void {
    invariant(this.#deadline !== undefined, 'a link ends its writing under a deadline')
    this.#stream.endWrite({ signal: this.#deadline.signal }).then(
      () => this.#apply({ type: 'write-ended' }),
      () => this.#apply({ type: 'write-failed' }),
    )
  }

  #finish(): void {
    this.#deadline?.cancel()
    const { reason, by } = this.#ending
    this.#isOver = true
    this.#observer.onClosed?.(reason, by)
    this.#onOver?.(this)
    this.#over?.resolve(reason)
  }

  get #ending(): LinkEnding {
    const { ending } = this.#lifecycle
    invariant(ending !== undefined, 'a link that is not over has no ending')
    return ending
  }
}

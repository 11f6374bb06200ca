import type { PeerId } from '#framework/primitives'
import type { ClosedBy, CloseReason, LinkClosedError } from './close-reason.js'

/** What two peers have to agree on to speak over a link. */
export interface LinkProtocol {
  /** The name that is negotiated, such as `/mosaik/streams/1.0`. */
  readonly id: string
  /** The longest frame (kind and body) of an open link, in bytes; 1 MiB where a protocol has no reason to differ. */
  readonly frameBytesMax: number
  /** How many links of this protocol one peer may have open towards us. */
  readonly maxInboundPerPeer?: number
}

/** One frame, as it is received. */
export type Frame =
  /** A value, decoded but not validated; `byteLength` counts its MessagePack bytes. */
  | { readonly kind: 'message'; readonly value: unknown; readonly byteLength: number }
  /**
   * Bytes that belong to the receiver; they may be a view into a larger received chunk, and keep it alive. If they are all
   * there is of their buffer, nobody else has it.
   */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }

/** Who takes the frames of a link as they come. Called synchronously; must not throw. */
export interface FrameReceiver {
  onFrame(frame: Frame): void
  /** No more frames come. Called once, after the last; also from within the call that ends the link. */
  onEnded(cause: LinkClosedError): void
}

/** How long an operation may wait. */
export interface RecvOptions {
  /** Ends the wait only: no frame is lost and the link stays open. The promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** After this time without a frame the link is closed with Timeout (104). No limit by default. */
  readonly timeoutMs?: number | undefined
}

/**
 * One framed, typed, bidirectional channel to a peer (network.md §6). Frames arrive in the order they were sent.
 *
 * A link ends once, for one reason, which the side that ends it tells the other: `close` in good order, `abort` at
 * once, or by itself when the other side breaks the protocol, misses a deadline or disappears. What was received
 * before the other side's close can still be taken after it.
 */
export interface Link extends AsyncDisposable {
  readonly peer: PeerId
  /** The id of the link's protocol. */
  readonly protocol: string
  readonly direction: 'inbound' | 'outbound'
  /** What the opener sent along with opening: decoded, but not validated. `undefined` when nothing. */
  readonly openPayload: unknown
  /** What the acceptor answered: decoded, but not validated. `undefined` when nothing, or before it accepted. */
  readonly acceptPayload: unknown

  /**
   * Forgets both payloads, which are `undefined` from then on. For whoever has read them on a link that lives long: they
   * may be as long as 64 KiB each.
   */
  forgetPayloads(): void

  /**
   * Sends a value as one MessagePack frame. Resolves when the transport has taken it and has room for more; that is
   * not a receipt. Sends are strictly first in, first out.
   *
   * @param options.signal While the frame waits for its turn, an abort withdraws it (rejects with the signal's
   *   reason). Once the transport has it, an abort ends only the wait for room (resolves).
   * @throws {LinkClosedError} LINK_CLOSED.
   * @throws {CodecError} The value cannot be encoded; the link stays open.
   * @throws {FrameTooLargeError} FRAME_TOO_LARGE; the link stays open.
   * @throws {LinkBusyError} LINK_BUSY, when 64 sends already wait; the link stays open.
   */
  send(message: unknown, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>

  /**
   * Sends a complete frame, as a `FrameBuilder` makes it, with the same order and the same errors as {@link send}. It
   * costs no promise as long as there is room.
   *
   * @returns `undefined` when there is room for more, else a promise of room. From then on the buffer may be written
   *   to again, but only if {@link buffersReusable}.
   */
  sendFrame(frame: Uint8Array): undefined | Promise<void>

  /** Whether the buffer of a frame may be reused once room was reported for it. */
  readonly buffersReusable: boolean

  /**
   * Takes the next frame. One call at a time. While frames are not taken, at most 64 of them or 256 KiB (and the one
   * that crosses the line) are kept, and the sender is held back.
   *
   * @throws {LinkClosedError} LINK_CLOSED, after the last frame that came before the close.
   * @throws {TimeoutError} TIMEOUT after `timeoutMs`; the link is then closed with 104.
   */
  recv(options?: RecvOptions): Promise<Frame>

  /**
   * Takes the next frame, which has to be a message that the schema accepts. Anything else closes the link with
   * ProtocolViolation (400) and throws {@link LinkClosedError} with what the schema threw as its cause. Otherwise
   * like {@link recv}.
   */
  recvMessage<T>(schema: { parse(value: unknown): T }, options?: RecvOptions): Promise<T>

  /**
   * Gives every frame to the receiver from now on, those first that are kept, instead of {@link recv}: for whoever takes
   * each frame at once, and need not have a promise for it. What is not a message although it should be is never seen by
   * the receiver; the link ends with ProtocolViolation (400). A link has one receiver.
   */
  deliverTo(receiver: FrameReceiver): void

  /**
   * Ends the link in good order: sends what waits, then the reason, and waits until the other side has it too. What
   * was received but not taken is dropped. Idempotent; the first reason wins. Never rejects.
   *
   * @param options.timeoutMs The stream is reset when all that takes longer; 1000 by default.
   */
  close(reason: CloseReason, options?: { readonly timeoutMs?: number }): Promise<void>

  /** Ends the link at once: tries to tell the reason without waiting, and resets the stream. Idempotent. */
  abort(reason: CloseReason): void

  /** Whether the link is over and its stream released. */
  readonly isOver: boolean

  /** Resolves with the reason when the link is over. Never rejects. */
  readonly closed: Promise<CloseReason>

  /** Closes with Success (200). */
  [Symbol.asyncDispose](): Promise<void>
}

/** Bounds of one link. */
export interface LinkLimits {
  /** How long each step of the opening may take, in milliseconds. */
  readonly openingTimeoutMs: number
  /** How long a close may take, in milliseconds, before the stream is reset. */
  readonly closeTimeoutMs: number
  /** Received frames that wait to be taken before the stream is paused. */
  readonly inboundFramesMax: number
  /** The same in bytes. */
  readonly inboundBytesMax: number
  /** Sends that may wait for their turn. */
  readonly waitingSendsMax: number
}

export const defaultLinkLimits: LinkLimits = Object.freeze({
  openingTimeoutMs: 2000,
  closeTimeoutMs: 1000,
  inboundFramesMax: 64,
  inboundBytesMax: 256 * 1024,
  waitingSendsMax: 64,
})

/** Who wants to count what links do. Called synchronously; must not throw. */
export interface LinkObserver {
  /** Both sides have consented. */
  onOpened?(): void
  /** Bytes given to the transport, framing included. */
  onBytesSent?(byteCount: number): void
  /** Bytes received from the transport, framing included. */
  onBytesReceived?(byteCount: number): void
  /** The link is over; also told for links that were never opened. */
  onClosed?(reason: CloseReason, by: ClosedBy): void
}

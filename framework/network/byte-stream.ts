/** How the read side of a {@link ByteStream} came to its end. */
export interface ByteStreamEnd {
  /** True when the other side finished its writing in good order; false when the stream was reset or lost. */
  readonly clean: boolean
  /** What broke the stream. Absent when `clean`. */
  readonly error?: unknown
}

/** What the owner of a {@link ByteStream} wants to hear about. */
export interface ByteStreamHandlers {
  /**
   * Bytes arrived, in order. The receiver may keep the chunk: the stream never writes into it again. A stream
   * may still deliver what its transport had already read when it was paused, never more.
   */
  onBytes(chunk: Uint8Array): void
  /** The read side is over; called at most once, after every chunk that arrived before the end. */
  onEnd(end: ByteStreamEnd): void
}

/**
 * One reliable, ordered, bidirectional stream of bytes: the little that a link needs from a transport. Each kind of
 * transport (QUIC, TCP with yamux, memory) is adapted to this interface, so that links know none of them.
 */
export interface ByteStream {
  /**
   * Hands bytes to the transport. At most one write may be outstanding: the next call comes only after this one
   * returned `undefined` or its promise has settled.
   *
   * @returns `undefined` when there is room for more right away, otherwise a promise that resolves when there is
   *   room again and rejects when the stream has failed.
   * @throws When the stream has already failed or its write side is closed.
   */
  write(bytes: Uint8Array): undefined | Promise<void>

  /**
   * Whether a chunk that is all of its memory is the only view of that, so that the receiver may release it when it has read
   * the chunk.
   */
  readonly chunksReleasable: boolean

  /** Whether the caller may write into a buffer again once room was reported for it: the transport has copied it. */
  readonly buffersReusable: boolean

  /** Begins delivery. Called exactly once, synchronously when the link is created. */
  start(handlers: ByteStreamHandlers): void

  /**
   * Stops delivery, with real back-pressure: the sender stalls at the transport's window and nothing is lost or
   * aborted, however long the pause.
   */
  pause(): void

  /** Starts delivery again after {@link pause}. Bytes may be delivered before this call returns. */
  resume(): void

  /**
   * Half-closes: what was written is delivered, then the other side sees a clean end.
   *
   * @param options.signal Bounds the wait for the transport; the promise then rejects with the signal's reason.
   */
  endWrite(options: { signal: AbortSignal }): Promise<void>

  /** Resets both directions at once and drops what was not delivered. Harmless on a stream that is over. */
  abort(error: Error): void
}

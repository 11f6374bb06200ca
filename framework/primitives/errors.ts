// Errors are recognised across realms and across copies of this module (a test runner makes both), where
// `instanceof` says no. The global symbol registry is shared by all of them.
const MOSAIK_ERROR = Symbol.for('mosaik.error')

/** What every {@link MosaikError} can be given besides its code and message. */
export interface MosaikErrorOptions {
  /** What went wrong underneath. */
  readonly cause?: unknown
  /** Facts about the failure for programs and logs; copied and frozen. */
  readonly details?: Record<string, unknown>
}

/**
 * The base of every error that mosaik raises on purpose. `code` is stable UPPER_SNAKE text to act on; the message is
 * for people and may change.
 */
export class MosaikError extends Error {
  readonly code: string
  readonly details: Readonly<Record<string, unknown>>

  /** @param code Stable UPPER_SNAKE text. */
  constructor(code: string, message: string, options: MosaikErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.details = Object.freeze({ ...options.details })
  }

  /** The name of the class, so that stack traces say what was thrown. */
  override get name(): string {
    return this.constructor.name
  }

  /** @internal */
  get [MOSAIK_ERROR](): true {
    return true
  }
}

/** Something did not happen in time. Code `TIMEOUT`. */
export class TimeoutError extends MosaikError {
  constructor(message: string, options?: MosaikErrorOptions) {
    super('TIMEOUT', message, options)
  }
}

/** What was waited on came to its end first. Code `ENDED`; `cause` is why it ended, if that is known. */
export class EndedError extends MosaikError {
  constructor(message: string, options?: MosaikErrorOptions) {
    super('ENDED', message, options)
  }
}

/** A mistake in a program, never a condition of operation: the component that finds one stops. Code `INVARIANT`. */
export class InvariantError extends MosaikError {
  constructor(message: string, options?: MosaikErrorOptions) {
    super('INVARIANT', message, options)
  }
}

/** @throws InvariantError when the condition does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

/**
 * Whether this is how an operation says that its signal was aborted. Decided by shape, because errors of Node itself
 * may come from another realm.
 */
export function isAbortError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  return ('name' in error && error.name === 'AbortError') || ('code' in error && error.code === 'ABORT_ERR')
}

/** Whether this is a {@link MosaikError}, of that code if one is given. Works across realms. */
export function isMosaikError(error: unknown, code?: string): error is MosaikError {
  if (typeof error !== 'object' || error === null || !(MOSAIK_ERROR in error)) return false
  return code === undefined || codeOf(error) === code
}

/** The message of anything that was thrown, error or not. Never throws. */
export function messageOf(error: unknown): string {
  try {
    if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message)
    return String(error)
  } catch {
    // A null-prototype object, or a getter or toString that throws: thrown values can be anything.
    return 'unknown error'
  }
}

/** The `code` of anything that was thrown, when it is text. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/**
 * Raises an error where nobody awaits: for a callback that failed while others still had to be called. It surfaces as
 * an uncaught exception, exactly like an error thrown in any event handler, and never disturbs the caller.
 */
export function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

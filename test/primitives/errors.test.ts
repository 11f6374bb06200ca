import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import {
  EndedError,
  InvariantError,
  MosaikError,
  TimeoutError,
  codeOf,
  invariant,
  isAbortError,
  isMosaikError,
  messageOf,
  rethrowLater,
} from '#framework/primitives'

class LateError extends MosaikError {}

describe('an error of mosaik', () => {
  test('carries its code, its cause, and details that nobody can change', () => {
    const cause = new Error('disk full')
    const details = { path: '/tmp' }
    const error = new MosaikError('STORE_FULL', 'cannot write', { cause, details })
    details.path = 'elsewhere'
    expect(error).toMatchObject({
      code: 'STORE_FULL',
      message: 'cannot write',
      cause,
      details: { path: '/tmp' },
    })
    expect(Object.isFrozen(error.details)).toBe(true)
    expect('cause' in new MosaikError('X', 'y')).toBe(false)
  })

  test('is called by the name of its class, in the stack trace too', () => {
    const error = new LateError('LATE', 'too late')
    expect(error.name).toBe('LateError')
    expect(error.stack).toMatch(/^LateError: too late\n/)
  })

  test.each([
    ['TIMEOUT', TimeoutError],
    ['ENDED', EndedError],
    ['INVARIANT', InvariantError],
  ])('has the code %p when it is a %p', (code, ErrorClass) => {
    const error = new ErrorClass('what happened')
    expect(error.code).toBe(code)
    expect(isMosaikError(error)).toBe(true)
    expect(isMosaikError(error, code)).toBe(true)
    expect(isMosaikError(error, 'OTHER')).toBe(false)
  })

  test('is recognised when it was made by another copy of the module', async () => {
    jest.resetModules()
    const copy = await import('../../framework/primitives/errors.js')
    const error = new copy.EndedError('gone')
    expect(error).not.toBeInstanceOf(EndedError)
    expect(isMosaikError(error, 'ENDED')).toBe(true)
  })

  test.each([
    undefined,
    null,
    'TIMEOUT',
    7,
    {},
    new Error('x'),
    Object.assign(new Error('x'), { code: 'ENOENT' }),
  ])('is not mistaken for %p', (other) => {
    expect(isMosaikError(other)).toBe(false)
  })
})

describe('an invariant', () => {
  test('that holds lets pass', () => {
    expect(() => invariant(1, 'never')).not.toThrow()
  })

  test('that does not hold throws what it says', () => {
    expect(() => invariant(0, 'one writer')).toThrow(new InvariantError('one writer'))
  })
})

describe('an abort error', () => {
  test.each([
    ['the reason of an aborted signal', AbortSignal.abort().reason, true],
    ['one of another realm', runInNewContext(`Object.assign(new Error('x'), { name: 'AbortError' })`), true],
    ['one known by its code only', Object.assign(new Error('x'), { code: 'ABORT_ERR' }), true],
    ['a timeout', new TimeoutError('late'), false],
    ['an error', new Error('AbortError'), false],
    ['nothing', undefined, false],
    ['text', 'AbortError', false],
  ])('%s: %p is recognised: %p', (_, error, expected) => {
    expect(isAbortError(error)).toBe(expected)
  })
})

describe('what can be said about anything that was thrown', () => {
  const hostile = {
    get message(): string {
      throw new Error('no')
    },
  }

  test.each([
    [new Error('plain'), 'plain'],
    [{ message: 'shaped' }, 'shaped'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [Object.create(null), 'unknown error'],
    [Symbol('s'), 'Symbol(s)'],
  ])('the message of %p is %p', (thrown, message) => {
    expect(messageOf(thrown)).toBe(message)
  })

  test('a message that throws is no message', () => {
    expect(messageOf(hostile)).toBe('unknown error')
  })

  test.each([
    [new MosaikError('A_B', 'x'), 'A_B'],
    [Object.assign(new Error('x'), { code: 'ENOENT' }), 'ENOENT'],
    [{ code: 20 }, undefined],
    [new Error('x'), undefined],
    [null, undefined],
    ['E', undefined],
  ])('the code of %p is %p', (thrown, code) => {
    expect(codeOf(thrown)).toBe(code)
  })
})

describe('an error that nobody awaits', () => {
  afterEach(() => {
    jest.restoreAllMocks()
  })

  test('is thrown from a microtask, not at whoever reports it', () => {
    const queued: (() => void)[] = []
    jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((fn) => void queued.push(fn))
    const error = new Error('boom')
    expect(() => rethrowLater(error)).not.toThrow()
    expect(queued).toHaveLength(1)
    expect(() => queued[0]!()).toThrow(error)
  })
})

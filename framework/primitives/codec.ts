import { Packr, Unpackr } from 'msgpackr'
import { MosaikError, type MosaikErrorOptions } from './errors.js'
import { assertWellFormed } from './msgpack-scan.js'

/** Bytes that are no message, or a value that cannot travel. Codes `CODEC_MALFORMED` and `CODEC_UNSUPPORTED`. */
export class CodecError extends MosaikError {
  constructor(code: 'CODEC_MALFORMED' | 'CODEC_UNSUPPORTED', message: string, options?: MosaikErrorOptions) {
    super(code, message, options)
  }
}

const packr = new Packr({ useRecords: false, useBigIntExtension: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

export function encode(value: unknown): Uint8Array {
  try {
    return packr.encode(value)
  } catch (cause) {
    throw new CodecError('CODEC_UNSUPPORTED', 'the value cannot be encoded', { cause })
  }
}

export function decode(bytes: Uint8Array): unknown {
  assertWellFormed(bytes)
  return unpackr.decode(bytes)
}

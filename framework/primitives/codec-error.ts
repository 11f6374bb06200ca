import { MosaikError, type MosaikErrorOptions } from './errors.js'

/** Bytes that are no message (`CODEC_MALFORMED`), or a value that cannot travel (`CODEC_UNSUPPORTED`). */
export class CodecError extends MosaikError {
  constructor(code: 'CODEC_MALFORMED' | 'CODEC_UNSUPPORTED', message: string, options?: MosaikErrorOptions) {
    super(code, message, options)
  }
}

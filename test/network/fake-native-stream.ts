import { nextTurn } from '#framework/primitives'
import type { NativeStream } from '../../framework/network/quic/binding.js'

/** A native stream that does what it is told, when it is told. */
export class FakeNativeStream implements NativeStream {
  readonly calls: string[] = []
  readonly written: Uint8Array[] = []
  #read: { resolve: (chunk: Uint8Array | null) => void; reject: (error: Error) => void } | undefined
  #write: { resolve: () => void; reject: (error: Error) => void } | undefined

  id = (): string => '7'

  read(bytesMax: number): Promise<Uint8Array | null> {
    if (this.#read !== undefined) throw new Error('two reads at once')
    this.calls.push(`read ${bytesMax}`)
    return new Promise((resolve, reject) => (this.#read = { resolve, reject }))
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#write !== undefined) throw new Error('two writes at once')
    this.written.push(bytes.slice())
    return new Promise((resolve, reject) => (this.#write = { resolve, reject }))
  }

  finishWrite = (): Promise<void> => this.#called('finishWrite')
  resetWrite = (): Promise<void> => this.#called('resetWrite')
  stopRead = (): Promise<void> => this.#called('stopRead')

  get isReading(): boolean {
    return this.#read !== undefined
  }

  async arrive(chunk: Uint8Array | null): Promise<void> {
    const { resolve } = this.#read!
    this.#read = undefined
    resolve(chunk)
    await nextTurn()
    // Behind a short read, the next one is asked for in the turn after.
    await nextTurn()
  }

  async failRead(text: string): Promise<void> {
    const { reject } = this.#read!
    this.#read = undefined
    reject(new Error(text))
    await nextTurn()
  }

  async finishOneWrite(): Promise<void> {
    const { resolve } = this.#write!
    this.#write = undefined
    resolve()
    await nextTurn()
  }

  async failWrite(text: string): Promise<void> {
    const { reject } = this.#write!
    this.#write = undefined
    reject(new Error(text))
    await nextTurn()
  }

  #called(name: string): Promise<void> {
    this.calls.push(name)
    return Promise.resolve()
  }
}

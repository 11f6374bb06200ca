/** The part of the library that we use; it brings no types of its own. */
declare module 'bittorrent-dht' {
  import type { EventEmitter } from 'node:events'

  interface ClientOptions {
    /** Addresses of nodes to begin with, `host:port`. Default: three well-known ones. */
    readonly bootstrap?: readonly string[]
    /** How many queries are under way at a time. */
    readonly concurrency?: number
    /** How long one query waits for its answer, in milliseconds; looked at in quarters of that. */
    readonly timeout?: number
    /** Used instead of a UDP socket of its own. */
    readonly socket?: unknown
    /** Whether a mutable value was signed with that key. Without it, none is stored. */
    readonly verify?: (signature: unknown, value: Uint8Array, key: unknown) => boolean
  }

  interface MutableItem {
    /** The public key. */
    readonly k: Buffer
    readonly v: Buffer
    readonly seq: number
    readonly cas?: number
    readonly sign: (value: Uint8Array) => Buffer
  }

  export class Client extends EventEmitter {
    constructor(options?: ClientOptions)
    listen(port?: number, address?: string): void
    address(): { readonly address: string; readonly port: number }
    get(
      target: Buffer,
      options: { readonly cache: boolean; readonly verify: NonNullable<ClientOptions['verify']> },
      done: (
        error: Error | null,
        item: { readonly v: unknown; readonly k?: unknown; readonly seq?: unknown } | null,
      ) => void,
    ): void
    put(item: MutableItem, done: (error: (Error & { readonly code?: unknown }) | null) => void): void
    removeNode(id: Buffer): void
    toJSON(): { readonly nodes: readonly { readonly host: string; readonly port: number }[] }
    destroy(done?: () => void): void
  }
}

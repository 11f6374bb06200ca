import { readSync } from 'node:fs'

// The format of LMDB's data file as lmdb 3.5 writes it on little-endian machines with 64 bits (liblmdb 0.9.90, data version
// 2). Only what the check of the file needs.

/** Which of the two trees of a file: the pages that are free, and the records. */
export const FREE_LIST = 0
export const MAIN = 1

/** Of each tree: keys of the first are numbers (MDB_INTEGERKEY), and nothing is special about those of the other. */
export const TREE_FLAGS = [0x08, 0] as const

/** The root of an empty tree. */
export const NO_PAGE = -1

const PAGE_HEADER_BYTES = 24
/** A page header and the meta facts. */
export const META_BYTES = PAGE_HEADER_BYTES + 144

const MAGIC = 0xbeefc0de
const VERSION = 2
const PAGE_BYTES_MIN = 256
const PAGE_BYTES_MAX = 65_536

const P_BRANCH = 0x01
const P_LEAF = 0x02
const P_OVERFLOW = 0x04
const P_META = 0x08
/** Values that are elsewhere. Nodes with values of any other special kind do not occur in our files. */
const F_BIGDATA = 0x01

const NODE_HEADER_BYTES = 8
const OVERFLOW_FACTS_BYTES = 24

export interface TreeFacts {
  /** How keys are compared, and whether they may have several values: {@link TREE_FLAGS}. */
  readonly flags: number
  readonly depth: number
  readonly branchPages: number
  readonly leafPages: number
  readonly overflowPages: number
  readonly entries: number
  readonly root: number
}

/** What a commit writes last: where everything is. There are two, in pages 0 and 1. */
export interface Meta {
  readonly pageBytes: number
  readonly trees: readonly [TreeFacts, TreeFacts]
  readonly lastPage: number
  readonly transaction: number
}

/** The meta page that begins with these bytes at this position of the file; undefined when this is none. */
export function readMeta(bytes: Buffer, position: number): Meta | 'other-version' | undefined {
  const view = viewOf(bytes)
  if (view.getUint16(18, true) !== P_META || view.getUint32(24, true) !== MAGIC) return undefined
  if (view.getUint32(28, true) !== VERSION) return 'other-version'
  const pageBytes = view.getUint32(48, true)
  const isPageSize =
    pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX && (pageBytes & (pageBytes - 1)) === 0
  if (!isPageSize || numberAt(view, 0) * pageBytes !== position) return undefined
  return {
    pageBytes,
    trees: [treeAt(view, 48), treeAt(view, 96)],
    lastPage: numberAt(view, 144),
    transaction: numberAt(view, 152),
  }
}

function treeAt(view: DataView, offset: number): TreeFacts {
  return {
    flags: view.getUint16(offset + 4, true),
    depth: view.getUint16(offset + 6, true),
    branchPages: numberAt(view, offset + 8),
    leafPages: numberAt(view, offset + 16),
    overflowPages: numberAt(view, offset + 24),
    entries: numberAt(view, offset + 32),
    root: numberAt(view, offset + 40),
  }
}

/** One entry of a page. Its parts are windows into the page. */
export interface PageNode {
  readonly key: Uint8Array
  /** Of a branch page: the page below. */
  readonly child: number
  /** Of a leaf page: where the value begins in the page, and how long it is. */
  readonly valueOffset: number
  readonly valueBytes: number
  /** Where the value is when it is not in the page. */
  readonly overflow:
    { readonly number: number; readonly transaction: number; readonly pageCount: number } | undefined
}

/** A page as it is in the file. */
export class FilePage {
  readonly #bytes: Buffer
  readonly #view: DataView

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
  }

  get number(): number {
    return numberAt(this.#view, 0)
  }

  /** Which transaction wrote it. */
  get transaction(): number {
    return numberAt(this.#view, 8)
  }

  get isBranch(): boolean {
    return this.#flags === P_BRANCH
  }

  get isLeaf(): boolean {
    return this.#flags === P_LEAF
  }

  get isOverflow(): boolean {
    return this.#flags === P_OVERFLOW
  }

  get #flags(): number {
    return this.#view.getUint16(18, true)
  }

  /** Undefined when they overlap, or reach beyond the page. */
  nodes(): PageNode[] | undefined {
    // Both, like the places of the nodes, count from behind the header.
    const lower = this.#view.getUint16(20, true)
    const upper = this.#view.getUint16(22, true)
    const room = this.#bytes.byteLength - PAGE_HEADER_BYTES
    if (lower % 2 !== 0 || lower > upper || upper > room) return undefined
    const nodes: PageNode[] = []
    const places: [from: number, to: number][] = []
    for (let place = 0; place < lower; place += 2) {
      const offset = this.#view.getUint16(PAGE_HEADER_BYTES + place, true)
      if (offset < upper || offset + NODE_HEADER_BYTES > room) return undefined
      const node = this.#nodeAt(PAGE_HEADER_BYTES + offset)
      if (!node) return undefined
      nodes.push(node)
      places.push([
        offset,
        node.valueOffset + (node.overflow ? OVERFLOW_FACTS_BYTES : node.valueBytes) - PAGE_HEADER_BYTES,
      ])
    }
    places.sort(([a], [b]) => a - b)
    const isApart = places.every(([, to], place) => to <= (places[place + 1]?.[0] ?? room))
    return isApart ? nodes : undefined
  }

  /** The value of a node of this page that is in the page. */
  valueOf(node: PageNode): Uint8Array {
    return this.#bytes.subarray(node.valueOffset, node.valueOffset + node.valueBytes)
  }

  #nodeAt(offset: number): PageNode | undefined {
    const low = this.#view.getUint32(offset, true)
    const flags = this.#view.getUint16(offset + 4, true)
    const keyOffset = offset + NODE_HEADER_BYTES
    const valueOffset = keyOffset + this.#view.getUint16(offset + 6, true)
    if (valueOffset > this.#bytes.byteLength) return undefined
    const key = this.#bytes.subarray(keyOffset, valueOffset)
    if (this.isBranch) {
      return { key, child: low + flags * 2 ** 32, valueOffset, valueBytes: 0, overflow: undefined }
    }
    if ((flags & ~F_BIGDATA) !== 0) return undefined
    const isElsewhere = flags === F_BIGDATA
    const end = valueOffset + (isElsewhere ? OVERFLOW_FACTS_BYTES : low)
    if (end > this.#bytes.byteLength) return undefined
    const overflow = isElsewhere
      ? {
          number: numberAt(this.#view, valueOffset),
          transaction: numberAt(this.#view, valueOffset + 8),
          pageCount: numberAt(this.#view, valueOffset + 16),
        }
      : undefined
    return { key, child: NO_PAGE, valueOffset, valueBytes: low, overflow }
  }
}

/** Reads pages of a file that does not change meanwhile, by blocking reads: they are short, and there are many. */
export class PageReader {
  readonly headerBytes = PAGE_HEADER_BYTES
  readonly #fd: number
  readonly #pageBytes: number

  constructor(fd: number, pageBytes: number) {
    this.#fd = fd
    this.#pageBytes = pageBytes
  }

  /** Undefined when it is beyond the end of the file. */
  page(number: number): FilePage | undefined {
    const bytes = this.#read(number * this.#pageBytes, this.#pageBytes)
    return bytes && new FilePage(bytes)
  }

  /** A page of which only the header is looked at. */
  overflowPage(number: number): FilePage | undefined {
    const bytes = this.#read(number * this.#pageBytes, PAGE_HEADER_BYTES)
    return bytes && new FilePage(bytes)
  }

  /** The value of a node that is not in its page. */
  overflowValue({ overflow, valueBytes }: PageNode): Uint8Array | undefined {
    return this.#read(overflow!.number * this.#pageBytes + PAGE_HEADER_BYTES, valueBytes)
  }

  /** Whether a page is in the file, all of it. */
  has(number: number): boolean {
    return this.#read((number + 1) * this.#pageBytes - 1, 1) !== undefined
  }

  #read(position: number, length: number): Buffer | undefined {
    const buffer = Buffer.allocUnsafe(length)
    return readSync(this.#fd, buffer, 0, length, position) === length ? buffer : undefined
  }
}

/** A whole number of 64 bits. What is too large for a safe integer is wrong in any case, and stays too large. */
function numberAt(view: DataView, offset: number): number {
  return Number(view.getBigInt64(offset, true))
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

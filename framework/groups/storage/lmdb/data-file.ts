import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, nextTurn } from '#framework/primitives'
import { corrupt, GroupStorageError } from '../storage-error.js'
import {
  FREE_LIST,
  MAIN,
  META_BYTES,
  NO_PAGE,
  PageReader,
  TREE_FLAGS,
  readMeta,
  type FilePage,
  type Meta,
  type PageNode,
  type TreeFacts,
} from './file-format.js'

/** How many pages are looked at before others get their turn. */
const PAGES_PER_TURN = 256

/**
 * How many pages may be missing at the end of a file. LMDB does not write those that a transaction took and gave back, and
 * that are free; far more of them than the file has pages is an altered number.
 */
const MISSING_PAGES_MAX = 16_384

/**
 * Checks the file of an LMDB environment that nobody has open. LMDB trusts what it finds: a flipped bit in a page of its
 * trees makes it read elsewhere, end the process, or give away pages that are in use. So everything that it will trust is
 * checked before: both meta pages, every page of both trees with its place, its transaction, its nodes, its keys and
 * their order, all counts, and that no page is used twice or is free and used. What the values say is not looked at; they
 * have checksums.
 *
 * @returns What is wrong; undefined when nothing is, or there is no file yet.
 * @throws GroupStorageError `GROUP_STORAGE_VERSION` for a file of another format; the system's error when it cannot be read.
 */
export async function checkDataFile(folder: string): Promise<GroupStorageError | undefined> {
  const file = join(folder, 'data.mdb')
  let handle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    await checkFile(handle)
    return undefined
  } catch (error) {
    if (error instanceof Damage) return corrupt(file, error.message)
    throw error
  } finally {
    await handle.close()
  }
}

class Damage extends Error {}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Damage(what)
}

async function checkFile(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat()
  // A process that ended while it made the file: there was nothing in it, and LMDB begins again.
  if (size === 0) return
  const first = await metaAt(handle, 0)
  check(first !== undefined, 'the first meta page is none')
  const second = await metaAt(handle, first.pageBytes)
  check(second !== undefined && second.pageBytes === first.pageBytes, 'the second meta page is none')
  // Commits write the two in turn, so that a lost or altered one shows: LMDB would silently go back to the one before.
  const isFresh = first.transaction === 0 && second.transaction === 0
  const inTurn = Math.abs(first.transaction - second.transaction) === 1 && first.transaction % 2 === 0
  check(isFresh || inTurn, `meta pages of transactions ${first.transaction} and ${second.transaction}`)
  const meta = first.transaction > second.transaction ? first : second
  check(
    meta.lastPage >= 1 && meta.lastPage <= 2 * (size / meta.pageBytes) + MISSING_PAGES_MAX,
    `a file of ${meta.lastPage + 1} pages`,
  )
  await new DataFileCheck(handle, meta).run()
}

async function metaAt(handle: FileHandle, position: number): Promise<Meta | undefined> {
  const buffer = Buffer.alloc(META_BYTES)
  const { bytesRead } = await handle.read(buffer, 0, META_BYTES, position)
  if (bytesRead < META_BYTES) return undefined
  const meta = readMeta(buffer, position)
  if (meta === 'other-version') {
    throw new GroupStorageError(
      'GROUP_STORAGE_VERSION',
      'the file has a format that this version does not know',
    )
  }
  return meta
}

interface KeyBounds {
  readonly from: Uint8Array | undefined
  readonly before: Uint8Array | undefined
}

interface TreeCounts {
  branchPages: number
  leafPages: number
  overflowPages: number
  entries: number
}

class DataFileCheck {
  readonly #meta: Meta
  readonly #pages: PageReader
  /** Of each page, whether something uses it, or says that it is free. */
  readonly #taken: Uint8Array
  #looked = 0

  constructor(handle: FileHandle, meta: Meta) {
    this.#meta = meta
    this.#pages = new PageReader(handle.fd, meta.pageBytes)
    this.#taken = new Uint8Array(meta.lastPage + 1)
    this.#taken.fill(1, 0, 2)
  }

  async run(): Promise<void> {
    const { trees } = this.#meta
    await this.#checkTree('main', trees[MAIN], TREE_FLAGS[MAIN], compareBytes, () => undefined)
    const free: bigint[][] = []
    await this.#checkTree('free', trees[FREE_LIST], TREE_FLAGS[FREE_LIST], compareNumbers, (node, page) => {
      free.push(this.#freePages(node, page))
    })
    for (const list of free) this.#takeFree(list)
  }

  async #checkTree(
    name: string,
    tree: TreeFacts,
    expectedFlags: number,
    compare: (a: Uint8Array, b: Uint8Array) => number,
    onLeaf: (node: PageNode, page: FilePage) => void,
  ): Promise<void> {
    const counts: TreeCounts = { branchPages: 0, leafPages: 0, overflowPages: 0, entries: 0 }
    const walk = async (number: number, depth: number, bounds: KeyBounds): Promise<void> => {
      if (++this.#looked % PAGES_PER_TURN === 0) await nextTurn()
      this.#take(number, 1)
      const page = this.#pages.page(number)
      check(page !== undefined, `page ${number} of the ${name} tree is beyond the end of the file`)
      check(
        page.number === number && page.transaction <= this.#meta.transaction,
        `page ${number} is another one`,
      )
      check(depth === tree.depth ? page.isLeaf : page.isBranch, `page ${number} is of another kind`)
      const nodes = page.nodes()
      check(nodes !== undefined && nodes.length > 0, `page ${number} has nodes that are none`)
      this.#checkOrder(number, nodes, page.isBranch, bounds, compare)
      if (page.isLeaf) {
        counts.leafPages++
        counts.entries += nodes.length
        for (const node of nodes) {
          counts.overflowPages += this.#takeOverflow(node)
          onLeaf(node, page)
        }
        return
      }
      counts.branchPages++
      check(nodes.length > 1, `page ${number} has a single branch`)
      // The page's buffer is the reader's, so what is needed of it is kept before the next page is read.
      const branches = nodes.map((node, place) => ({
        child: node.child,
        from: place === 0 ? bounds.from : Uint8Array.from(node.key),
      }))
      for (const [place, { child, from }] of branches.entries()) {
        await walk(child, depth + 1, { from, before: branches[place + 1]?.from ?? bounds.before })
      }
    }
    check(tree.flags === expectedFlags, `the ${name} tree has flags ${tree.flags}`)
    if (tree.root === NO_PAGE) check(tree.depth === 0, `the ${name} tree has no root and a depth`)
    else await walk(tree.root, 1, { from: undefined, before: undefined })
    for (const [what, count] of Object.entries(counts)) {
      const expected = tree[what as keyof TreeCounts]
      check(count === expected, `the ${name} tree has ${count} ${what}, not ${expected}`)
    }
  }

  #checkOrder(
    number: number,
    nodes: readonly PageNode[],
    isBranch: boolean,
    { from, before }: KeyBounds,
    compare: (a: Uint8Array, b: Uint8Array) => number,
  ): void {
    // The first key of a branch page is never looked at.
    const keys = nodes.slice(isBranch ? 1 : 0).map(({ key }) => key)
    for (const [place, key] of keys.entries()) {
      const previous = keys[place - 1]
      const isInOrder = previous ? compare(previous, key) < 0 : from === undefined || compare(from, key) <= 0
      check(
        isInOrder && (before === undefined || compare(key, before) < 0),
        `keys of page ${number} out of order`,
      )
    }
  }

  /** How many pages hold the value of a node, when it is not in the node. */
  #takeOverflow(node: PageNode): number {
    const { overflow } = node
    if (!overflow) return 0
    const { number, transaction, pageCount } = overflow
    const expected = Math.ceil((this.#pages.headerBytes + node.valueBytes) / this.#meta.pageBytes)
    check(pageCount === expected, `${pageCount} pages for ${node.valueBytes} bytes at page ${number}`)
    this.#take(number, pageCount)
    const page = this.#pages.overflowPage(number)
    check(
      page !== undefined && page.number === number && page.transaction === transaction && page.isOverflow,
      `page ${number} is not the value that belongs there`,
    )
    check(
      this.#pages.has(number + pageCount - 1),
      `page ${number} and what follows go beyond the end of the file`,
    )
    return pageCount
  }

  #freePages(node: PageNode, page: FilePage): bigint[] {
    const list = node.overflow ? this.#pages.overflowValue(node) : page.valueOf(node)
    check(
      list !== undefined && list.byteLength >= 8 && list.byteLength % 8 === 0,
      'a list of free pages is none',
    )
    const view = new DataView(list.buffer, list.byteOffset, list.byteLength)
    const count = view.getBigInt64(0, true)
    check(
      count >= 0n && count < BigInt(list.byteLength / 8),
      'a list of free pages is longer than its record',
    )
    return Array.from({ length: Number(count) }, (_, place) => view.getBigInt64(8 * (place + 1), true))
  }

  /** A list has page numbers, and runs of pages as a negative count in front of the first number; 0 is an unused place. */
  #takeFree(list: readonly bigint[]): void {
    for (let place = 0; place < list.length; place++) {
      const entry = Number(list[place])
      if (entry > 0) this.#take(entry, 1)
      else if (entry < 0) {
        const first = list[++place]
        check(first !== undefined, 'a run of free pages without its beginning')
        this.#take(Number(first), -entry)
      }
    }
  }

  #take(first: number, count: number): void {
    check(
      first >= 2 && count >= 1 && first + count - 1 <= this.#meta.lastPage,
      `there are no pages ${first} + ${count}`,
    )
    for (let number = first; number < first + count; number++) {
      check(this.#taken[number] === 0, `page ${number} is in two places`)
      this.#taken[number] = 1
    }
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** Keys of the free tree are numbers of 8 bytes, little-endian. */
function compareNumbers(a: Uint8Array, b: Uint8Array): number {
  check(a.byteLength === 8 && b.byteLength === 8, 'a key of the free tree is no number')
  return Buffer.compare(Uint8Array.from(a).reverse(), Uint8Array.from(b).reverse())
}

import { CloseReasons, LinkClosedError, closeReason, type Link } from '#framework/network'
import { MosaikError, bytesOf, nextTurn, type Digest } from '#framework/primitives'
import {
  PAGE_BYTES,
  SESSION_ITEMS_MAX,
  acceptSchema,
  doneSchema,
  recordToWire,
  recordsSchema,
  summariesSchema,
  summaryToWire,
  wantToWire,
  wantsSchema,
  wireBytes,
  type WireRecord,
} from './protocol.js'
import {
  pagesOf,
  type OfferedRecord,
  type RecordSummary,
  type SyncOffer,
  type WantedRecord,
} from './sync-plan.js'

/** How long the other side may take for each page, in milliseconds. */
const STEP_MS = 5_000

export interface SyncSession {
  readonly link: Link
  /** What we hold. */
  readonly offer: SyncOffer
  /** Called with each page of records that arrives. Bad ones among them are its business, and spoil no others. */
  readonly takeIn: (records: readonly WireRecord[]) => void
  /** Bounds the whole session. */
  readonly signal: AbortSignal
}

/**
 * The opener's part, once the other side has accepted. When it resolves, both sides hold the later record of every peer.
 *
 * @throws LinkClosedError or TimeoutError when the other side does not play its part; the signal's reason.
 */
export async function runOpenerSide({ link, offer, takeIn, signal }: SyncSession): Promise<void> {
  const { fingerprint } = acceptSchema.parse(link.acceptPayload)
  if (fingerprint !== offer.fingerprint) {
    await sendPages(
      link,
      'summaries',
      pagesOf(offer.summaries(), summaryBytes, PAGE_BYTES),
      summaryToWire,
      signal,
    )
    const wants: WantedRecord[] = []
    await receivePages(link, wantsSchema, (page) => wants.push(...page), signal)
    await receivePages(link, recordsSchema, takeIn, signal)
    await sendRecords(link, offer.pick(wants), signal)
    await link.recvMessage(doneSchema, { signal, timeoutMs: STEP_MS })
  }
  await link.close(CloseReasons.Success)
}

/**
 * The acceptor's part.
 *
 * @param theirs The fingerprint that the opener has sent.
 * @param accept Tells the opener ours.
 * @throws As {@link runOpenerSide}.
 */
export async function runAcceptorSide(
  session: SyncSession,
  theirs: Digest,
  accept: (payload: unknown) => Promise<void>,
): Promise<void> {
  const { link, offer, takeIn, signal } = session
  const { fingerprint } = offer
  await untilThanked(() => accept({ fingerprint: bytesOf(fingerprint) }))
  if (theirs !== fingerprint) {
    const summaries: RecordSummary[] = []
    await receivePages(link, summariesSchema, (page) => summaries.push(...page), signal)
    const { want, send } = offer.planWith(summaries)
    await sendPages(link, 'wants', pagesOf(want, wantBytes, PAGE_BYTES), wantToWire, signal)
    await sendRecords(link, send, signal)
    await receivePages(link, recordsSchema, takeIn, signal)
    await untilThanked(() => link.send({ type: 'done' }, { signal }))
  }
  await untilThanked(() => link.recv({ signal, timeoutMs: STEP_MS }))
}

/**
 * Says something after which the opener may close with Success, which may well arrive before the saying is over. Only
 * the opener closes: it alone knows when all has been said.
 */
async function untilThanked(run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof LinkClosedError) || error.reason.code !== CloseReasons.Success.code) throw error
  }
}

const summaryBytes = (): number => wireBytes.summary
const wantBytes = (): number => wireBytes.want

function sendRecords(link: Link, records: readonly OfferedRecord[], signal: AbortSignal): Promise<void> {
  return sendPages(link, 'records', pagesOf(records, wireBytes.record, PAGE_BYTES), recordToWire, signal)
}

async function sendPages<T>(
  link: Link,
  type: string,
  pages: Iterable<readonly T[]>,
  toWire: (item: T) => unknown,
  signal: AbortSignal,
): Promise<void> {
  const all = [...pages]
  for (const [index, page] of all.entries()) {
    await link.send({ type, items: page.map(toWire), last: index === all.length - 1 }, { signal })
  }
}

async function receivePages<T>(
  link: Link,
  schema: { parse(value: unknown): { items: readonly T[]; last: boolean } },
  onPage: (items: readonly T[]) => void,
  signal: AbortSignal,
): Promise<void> {
  let count = 0
  for (;;) {
    const { items, last } = await link.recvMessage(schema, { signal, timeoutMs: STEP_MS })
    count += items.length
    if (count > SESSION_ITEMS_MAX) {
      const message = `a catalog sync carries at most ${SESSION_ITEMS_MAX} items of a kind`
      link.abort(closeReason(CloseReasons.ProtocolViolation, message))
      throw new MosaikError('DISCOVERY_SYNC_TOO_LARGE', message)
    }
    onPage(items)
    if (last) return
    // A page may cost many signatures; whatever else the process does gets its turn before the next one.
    await nextTurn()
  }
}

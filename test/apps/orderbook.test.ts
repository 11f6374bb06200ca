import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { OrderBook } from '../../apps/orderbook/book/order-book.js'
import { requestsOf } from '../../apps/orderbook/feed.js'
import { Ledger } from '../../apps/orderbook/ledger.js'
import { folderWith, MosaikProcess, repository, type UpEvent } from '../support/mosaik-process.js'

const seed = '7'
const runTimeoutMs = 50_000
/** How many requests the trader makes before it waits for their outcomes. */
const lot = 5
/** So that there is time for what a test does between two lots. */
const pace = { ORDERBOOK_LOT: String(lot), ORDERBOOK_PAUSE_MS: '100' }
/** For runs that nothing is done to. */
const haste = { ORDERBOOK_LOT: '20', ORDERBOOK_PAUSE_MS: '0' }

/** What the reporter has to say of a run with so many requests, whatever happens to the matchers. */
function expectedLines(requestCount: number, of = seed): string[] {
  const book = new OrderBook()
  const ledger = new Ledger()
  for (const [place, request] of [...requestsOf('trader-0', of, requestCount)].entries())
    ledger.add({ request, outcome: book.apply(request), index: place + 1 })
  const { fillCount, fillsDigest } = ledger.verdict(0)
  return [
    `${requestCount} requests were acknowledged: none is lost, none happened twice`,
    `${fillCount} fills (${fillsDigest.slice(0, 16)}): whatever was ordered has traded, is open or was cancelled`,
    `3 matchers hold the same book (${book.audit().digest.slice(0, 16)})`,
  ]
}

function start(requestCount: number, speed: typeof pace, ...options: readonly string[]): MosaikProcess {
  return new MosaikProcess(['up', 'apps/orderbook/mosaik.yaml', '--json', ...options], {
    cwd: repository,
    env: { ORDERBOOK_SEED: seed, ORDERBOOK_REQUESTS: String(requestCount), ...speed },
  })
}

async function acknowledged(run: MosaikProcess, count: number): Promise<void> {
  await run.event('display', ({ text }) => Number.parseInt(String(text), 10) >= count, {
    timeoutMs: runTimeoutMs,
  })
}

function acknowledgedBy(run: MosaikProcess): number {
  const [text] = run.events
    .flatMap(({ event, text }) => (event === 'display' ? [String(text)] : []))
    .slice(-1)
  return text === undefined ? 0 : Number.parseInt(text, 10)
}

function pidOf(run: MosaikProcess, node: string, replica: number): number {
  const started = run.events.findLast(
    (event) => event.event === 'node-started' && event['node'] === node && event['replica'] === replica,
  )
  return Number(started?.['pid'])
}

/**
 * Resolves when another process has taken the matcher's place, and the trader has gone on without it meanwhile. Then the
 * trader is held, so that the run does not end before the matcher is back, however long that takes.
 */
async function killMatcher(run: MosaikProcess, replica: number): Promise<void> {
  const isIt = (event: UpEvent): boolean => event['node'] === 'matcher' && event['replica'] === replica
  const since = run.events.length
  process.kill(pidOf(run, 'matcher', replica), 'SIGKILL')
  await run.event('node-exit', (event) => isIt(event) && event['signal'] === 'SIGKILL', { since })
  await acknowledged(run, acknowledgedBy(run) + lot)
  const trader = pidOf(run, 'trader', 0)
  process.kill(trader, 'SIGSTOP')
  await run.event('node-ready', isIt, { since, timeoutMs: runTimeoutMs })
  process.kill(trader, 'SIGCONT')
}

/** What the reporter said, when the run has ended. */
async function verdictOf(run: MosaikProcess): Promise<{ code: number | null; lines: unknown[] }> {
  const code = await run.exit(runTimeoutMs)
  const said = run.events.filter(({ event, node }) => event === 'log' && node === 'reporter')
  return { code, lines: said.map(({ message }) => message) }
}

describe('orderbook: the same fills come out for the same seed', () => {
  test('given kill -9 of the matcher that leads', async () => {
    await using run = start(120, pace)
    await acknowledged(run, 20)
    await killMatcher(run, Number(run.events.findLast(({ event }) => event === 'group-leader')?.['replica']))
    const { code, lines } = await verdictOf(run)
    expect(lines).toEqual(expect.arrayContaining(expectedLines(120)))
    expect(code).toBe(0)
  }, 120_000)

  test('given books on disk and kill -9 of each matcher in turn; a second run goes on where the first has ended; and one that asks for what the book does not remember any more says that it cannot vouch for it', async () => {
    await using data = await folderWith({})
    await using first = start(120, pace, '--data', data.path)
    await acknowledged(first, 20)
    for (const victim of [0, 1, 2]) await killMatcher(first, victim)
    expect(await verdictOf(first)).toMatchObject({
      code: 0,
      lines: expect.arrayContaining(expectedLines(120)),
    })
    // It asks for the first 120 again, which the book still knows the outcomes of.
    await using second = start(200, haste, '--data', data.path)
    expect(await verdictOf(second)).toMatchObject({
      code: 0,
      lines: expect.arrayContaining(expectedLines(200)),
    })
    await using third = start(200, haste, '--data', data.path)
    const { code, lines } = await verdictOf(third)
    expect(lines).toContainEqual('NOT AS IT MUST BE')
    expect(lines).toContainEqual(
      '  what came of 72 requests nobody knows any more: the reporter was started again, or the data folder is that of an earlier run',
    )
    expect(code).toBe(1)
  }, 180_000)
})

test('orderbook: the README shows what comes of the seed of the manifest', async () => {
  const readme = await readFile(join(repository, 'apps/orderbook/README.md'), 'utf8')
  for (const line of expectedLines(2_000, '1')) expect(readme).toContain(line)
})

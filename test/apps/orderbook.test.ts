import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { OrderBook } from '../../apps/orderbook/book/order-book.js'
import { requestsOf } from '../../apps/orderbook/feed.js'
import { Ledger } from '../../apps/orderbook/ledger.js'
import { folderWith, MosaikProcess, repository, type UpEvent } from '../support/mosaik-process.js'

const seed = '7'
const runTimeoutMs = 50_000

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

function start(requestCount: number, ...options: readonly string[]): MosaikProcess {
  return startPaced(20, requestCount, ...options)
}

/** @param pauseMs How long the trader waits between requests, so that there is time for what a test does meanwhile. */
function startPaced(pauseMs: number, requestCount: number, ...options: readonly string[]): MosaikProcess {
  return new MosaikProcess(['up', 'apps/orderbook/mosaik.yaml', '--json', ...options], {
    cwd: repository,
    env: {
      ORDERBOOK_SEED: seed,
      ORDERBOOK_REQUESTS: String(requestCount),
      ORDERBOOK_PAUSE_MS: String(pauseMs),
    },
  })
}

async function acknowledged(run: MosaikProcess, count: number): Promise<void> {
  await run.event('display', ({ text }) => Number.parseInt(String(text), 10) >= count, {
    timeoutMs: runTimeoutMs,
  })
}

/** Resolves when another process has taken the matcher's place. */
async function killMatcher(run: MosaikProcess, replica: number): Promise<void> {
  const isIt = (event: UpEvent): boolean => event['node'] === 'matcher' && event['replica'] === replica
  const since = run.events.length
  const started = run.events.findLast((event) => event.event === 'node-started' && isIt(event))
  process.kill(Number(started?.['pid']), 'SIGKILL')
  await run.event('node-exit', (event) => isIt(event) && event['signal'] === 'SIGKILL', { since })
  await run.event('node-ready', isIt, { since, timeoutMs: runTimeoutMs })
}

/** What the reporter said, when the run has ended. */
async function verdictOf(run: MosaikProcess): Promise<{ code: number | null; lines: unknown[] }> {
  const code = await run.exit(runTimeoutMs)
  const said = run.events.filter(({ event, node }) => event === 'log' && node === 'reporter')
  return { code, lines: said.map(({ message }) => message) }
}

describe('orderbook: the same fills come out for the same seed', () => {
  test.each([0, 1, 2])('given kill -9 of matcher %i, whether it leads or not', async (victim) => {
    await using run = start(300)
    await acknowledged(run, 80)
    await killMatcher(run, victim)
    const { code, lines } = await verdictOf(run)
    expect(lines).toEqual(expect.arrayContaining(expectedLines(300)))
    expect(code).toBe(0)
  })

  test('given books on disk and kill -9 of each matcher in turn; and a second run goes on where the first has ended', async () => {
    await using data = await folderWith({})
    await using first = startPaced(150, 120, '--data', data.path)
    for (const victim of [0, 1, 2]) {
      await acknowledged(first, 20 * (victim + 1))
      await killMatcher(first, victim)
    }
    expect(await verdictOf(first)).toMatchObject({
      code: 0,
      lines: expect.arrayContaining(expectedLines(120)),
    })
    // It asks for the first 120 again, which the book still knows the outcomes of.
    await using second = start(200, '--data', data.path)
    expect(await verdictOf(second)).toMatchObject({
      code: 0,
      lines: expect.arrayContaining(expectedLines(200)),
    })
  })
})

test('orderbook: given a run whose outcomes the book does not remember any more, it says that it cannot vouch for them', async () => {
  await using data = await folderWith({})
  await using first = start(150, '--data', data.path)
  expect(await verdictOf(first)).toMatchObject({ code: 0 })
  await using second = start(150, '--data', data.path)
  const { code, lines } = await verdictOf(second)
  expect(lines).toContainEqual('NOT AS IT MUST BE')
  expect(lines).toContainEqual(
    '  what came of 22 requests nobody knows any more: the reporter was started again, or the data folder is that of an earlier run',
  )
  expect(code).toBe(1)
})

test('orderbook: the README shows what comes of the seed of the manifest', async () => {
  const readme = await readFile(join(repository, 'apps/orderbook/README.md'), 'utf8')
  for (const line of expectedLines(2_000, '1')) expect(readme).toContain(line)
})

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { eventually } from '../support/eventually.js'
import {
  folderWith,
  isAlive,
  MosaikProcess,
  mosaik,
  repository,
  type UpEvent,
} from '../support/mosaik-process.js'
import { whyNoMulticast } from '../support/multicast.js'
import { counting, countingManifest } from '../support/services.js'

const files = (network: string, printerCount = 2): Record<string, string> => ({
  'services.ts': counting,
  'mosaik.yaml': countingManifest(network).replace('replicas: 2', `replicas: ${printerCount}`),
})
const noMulticast = await whyNoMulticast()
if (noMulticast !== undefined) console.warn(`no multicast here, --mdns is not tested: ${noMulticast}`)
const testOnLinux = process.platform === 'linux' ? test : test.skip
const testOverMulticast = noMulticast === undefined ? test : test.skip

const edges = [
  { stream: 'numbers', from: 'counter-0', to: 'printer-0' },
  { stream: 'numbers', from: 'counter-0', to: 'printer-1' },
]

/** A run of the counting manifest, with its folder. */
async function countingRun(network: string): Promise<Running> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await folderWith(files(network)))
  const run = stack.use(new MosaikProcess(['up', '--json'], { cwd: folder.path }))
  const all = stack.move()
  return { path: folder.path, run, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

interface Running extends AsyncDisposable {
  readonly path: string
  readonly run: MosaikProcess
}

// Starting processes is most of what these tests cost: those of one describe share a run, and the last one ends it.
describe('mosaik up: one run from its start to its end', () => {
  let shared: Running
  let run: MosaikProcess
  beforeAll(async () => {
    shared = await countingRun('up-whole')
    run = shared.run
    await run.event('converged')
  })
  afterAll(async () => {
    await shared[Symbol.asyncDispose]()
  })

  test('starts every replica, reports the edges, and converges', async () => {
    expect(await run.event('converged')).toEqual(
      expect.objectContaining({ edges: 2, ms: expect.any(Number) }),
    )
    const started = named(run, 'node-started')
    expect(started.map(({ node, replica }) => `${String(node)}-${String(replica)}`).sort()).toEqual([
      'counter-0',
      'printer-0',
      'printer-1',
    ])
    const ready = named(run, 'node-ready')
    expect(new Set(ready.map(({ peerId }) => peerId)).size).toBe(3)
    for (const { addresses } of ready)
      expect(addresses).toContainEqual(
        expect.stringMatching(/^\/ip4\/127\.0\.0\.1\/udp\/\d+\/quic-v1\/p2p\//),
      )
    expect(named(run, 'edge-up').map(edgeOf).sort(byText)).toEqual(edges)
    const { node, level } = await run.event('log', ({ message }) => message === 'got a number')
    expect({ node, level }).toEqual({ node: 'printer', level: 'info' })
  })

  testOnLinux('gives every node its share of the processors for the threads of QUIC', async () => {
    const processors = String(Math.max(1, Math.floor(availableParallelism() / 3) - 1))
    for (const pid of pidsOf(run)) {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
      expect(environment.split('\0')).toContain(`TOKIO_WORKER_THREADS=${processors}`)
    }
  })

  test('a node that is killed comes back as the same peer, and its edges return', async () => {
    const before = named(run, 'node-ready').find(({ node }) => node === 'counter')
    const pid = Number(named(run, 'node-started').find(({ node }) => node === 'counter')?.['pid'])
    const since = run.events.length
    process.kill(pid, 'SIGKILL')
    await run.event('node-exit', ({ node, signal }) => node === 'counter' && signal === 'SIGKILL', { since })
    await run.event('edge-down', () => true, { since })
    const again = await run.event('node-ready', ({ node }) => node === 'counter', { since })
    expect(again['peerId']).toBe(before?.['peerId'])
    const restarted = await run.event('node-started', ({ node }) => node === 'counter', { since })
    expect(restarted['restartCount']).toBe(1)
    // One of them may take the other end for alive for longer than the process needs to come back.
    for (const printer of ['printer-0', 'printer-1'])
      await run.event('edge-up', ({ to }) => to === printer, { since })
    const back = await run.event('converged', () => true, { since })
    expect(back['edges']).toBe(2)
  })

  describe('beside another network on the same machine, in two runs', () => {
    let folder: Awaited<ReturnType<typeof folderWith>>
    let here: MosaikProcess
    let there: MosaikProcess
    let before: UpEvent[]
    beforeAll(async () => {
      before = named(run, 'edge-up')
      folder = await folderWith(files('up-split'))
      here = new MosaikProcess(['up', '--json', '--node', 'counter'], { cwd: folder.path })
      const own = await here.event('node-ready')
      // The counter is not where it was first.
      const others = await run.event('node-ready', ({ node }) => node === 'printer')
      const seeds = [...(others['addresses'] as string[]), ...(own['addresses'] as string[])]
      there = new MosaikProcess(
        ['up', '--json', '--log-level', 'debug', '--node', 'printer', '--seed', ...seeds],
        { cwd: folder.path },
      )
    }, 40_000)
    afterAll(async () => {
      await there[Symbol.asyncDispose]()
      await here[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    })

    test('--node splits a manifest over two runs that join by --seed', async () => {
      expect(await there.event('converged')).toEqual(expect.objectContaining({ edges: 2 }))
      expect(await here.event('converged')).toEqual(expect.objectContaining({ edges: 2 }))
      expect(named(here, 'edge-up').map(edgeOf).sort(byText)).toEqual(edges)
    })

    test('the two networks do not talk to each other, even where one is given an address of the other', async () => {
      await there.event(
        'log',
        ({ message, fields }) =>
          message === 'could not connect' && JSON.stringify(fields).includes('DifferentNetwork'),
      )
      expect(named(there, 'edge-up').map(edgeOf).sort(byText)).toEqual(edges)
      expect(named(run, 'edge-up')).toEqual(before)
    })

    test('a run ends when nobody reads its output any more, and the other one sees it go', async () => {
      const pids = pidsOf(there)
      expect(pids.filter(isAlive)).toHaveLength(2)
      there.closeStdout()
      await there.exit()
      expect(pids.filter(isAlive)).toEqual([])
      await here.event('edge-down', ({ to }) => to === 'printer-0')
      await here.event('edge-down', ({ to }) => to === 'printer-1')
    })

    test('nodes end when their supervisor is killed', async () => {
      const pids = pidsOf(here)
      expect(pids.filter(isAlive)).toHaveLength(1)
      process.kill(here.pid, 'SIGKILL')
      await eventually(() => pids.filter(isAlive).length === 0, { timeoutMs: 10_000 })
    })
  })

  test('Ctrl-C once stops in order: exit 0, every node closes by itself, no process left', async () => {
    const since = run.events.length
    run.signal('SIGINT')
    // A launcher forwards what the terminal sent already: the same press, not an impatient second one.
    run.signal('SIGINT')
    expect(await run.exit()).toBe(0)
    const exits = run.events.slice(since).filter(({ event }) => event === 'node-exit')
    expect(exits.map(({ code, signal }) => ({ code, signal }))).toEqual(
      Array(3).fill({ code: 0, signal: null }),
    )
    expect(run.events.at(-1)).toEqual(
      expect.objectContaining({ event: 'stopped', exitCode: 0, reason: 'interrupted' }),
    )
    expect(pidsOf(run).filter(isAlive)).toEqual([])
  })
})

describe('mosaik up', () => {
  test('--for stops it when that time is over: exit 0, no process left', async () => {
    await using folder = await folderWith(files('up-for'))
    await using run = new MosaikProcess(['up', '--json', '--node', 'counter', '--for', '1s'], {
      cwd: folder.path,
    })
    expect(await run.exit()).toBe(0)
    expect(run.events.at(-1)).toEqual(
      expect.objectContaining({ event: 'stopped', exitCode: 0, reason: '1s are over' }),
    )
    expect(pidsOf(run)).toHaveLength(1)
    expect(pidsOf(run).filter(isAlive)).toEqual([])
  })

  test('Ctrl-C twice stops at once: exit 130, no process left', async () => {
    await using folder = await folderWith({
      ...files('up-insist', 1),
      // A service that does not want to stop keeps its node busy long enough for the second press.
      'services.ts': `${counting.replace("this.log.info('got a number', { n })", '')}\n`.replace(
        'onStart({ log }) {',
        'async onStop() { await new Promise((resolve) => setTimeout(resolve, 60_000)) }\n  onStart({ log }) {',
      ),
    })
    await using run = new MosaikProcess(['up', '--json'], { cwd: folder.path })
    await run.event('converged')
    run.signal('SIGINT')
    await run.event('node-exit', ({ node }) => node === 'counter')
    const pressedAt = performance.now()
    await eventually(() => performance.now() - pressedAt > 400)
    run.signal('SIGINT')
    expect(await run.exit(3_000)).toBe(130)
    expect(pidsOf(run).filter(isAlive)).toEqual([])
  })

  testOverMulticast('--mdns: two runs of one manifest find each other without an address', async () => {
    await using folder = await folderWith(files(`up-mdns-${process.pid}`, 1))
    await using here = new MosaikProcess(['up', '--json', '--mdns', '--node', 'counter'], {
      cwd: folder.path,
    })
    await here.event('node-ready')
    await using there = new MosaikProcess(['up', '--json', '--mdns', '--node', 'printer'], {
      cwd: folder.path,
    })
    expect(await there.event('converged')).toEqual(expect.objectContaining({ edges: 1 }))
    expect(await here.event('converged')).toEqual(expect.objectContaining({ edges: 1 }))
    for (const run of [here, there]) {
      run.signal('SIGINT')
      expect(await run.exit()).toBe(0)
    }
  })

  test('for a person: every line begins with its node, no colours where there is no terminal', async () => {
    await using folder = await folderWith(files('up-text'))
    await using run = new MosaikProcess(['up'], { cwd: folder.path })
    await run.until(() => /│ converged/.test(run.stdout) || undefined, 'convergence')
    await run.until(() => /^printer-1 │ got a number/m.test(run.stdout) || undefined, 'number')
    run.signal('SIGTERM')
    expect(await run.exit()).toBe(0)
    expect(run.stdout).toMatch(
      /^counter-0 │ ready as [0-9a-f]{10} on \/ip4\/127\.0\.0\.1\/udp\/\d+\/quic-v1/m,
    )
    expect(run.stdout).toMatch(/^printer-1 │ got a number {2}(?:service=Printer {2})?n=\d+/m)
    expect(run.stdout).toMatch(/^mosaik {4}│ converged: all 2 edges are up after \d+\.\d\d s/m)
    expect(run.stdout).toMatch(/^mosaik {4}│ stopped: interrupted$/m)
    expect(run.stdout).not.toContain('\u001B')
  })
})

// A crash loop is mostly waiting, which leaves time for the others.
describe('mosaik up: a run that ends by itself', () => {
  test.concurrent('a crash loop ends the run: exit 1 with the last lines of the node', async () => {
    await using folder = await folderWith({
      'services.ts': `
import { Service } from 'mosaik'
@Service()
export class Faulty {
  async onStart() {
    console.log('about to open the database')
    throw new Error('no such table: orders')
  }
}
`,
      'mosaik.yaml': 'mosaik: 1\nnetwork: up-crash\nnodes:\n  faulty: { use: ./services.ts }\n',
    })
    await using run = new MosaikProcess(['up', '--json'], { cwd: folder.path })
    expect(await run.exit(40_000)).toBe(1)
    expect(named(run, 'node-started').length).toBe(5)
    const stopped = run.events.at(-1)
    expect(stopped?.['reason']).toContain('faulty-0')
    expect(stopped?.['reason']).toContain('no such table: orders')
    expect(stopped?.['lastLines']).toContain('about to open the database')
  })

  test.concurrent('a port that is taken: says which, does not try again, exit 1', async () => {
    const taken = createSocket('udp4').bind(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address()
    await using manifest = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': `mosaik: 1\nnetwork: up-port\nnodes:\n  counter: { use: ./services.ts#Counter, listen: ${port} }\n`,
    })
    await using run = new MosaikProcess(['up', '--json'], { cwd: manifest.path })
    expect(await run.exit()).toBe(1)
    expect(named(run, 'node-started').length).toBe(1)
    expect(run.events.at(-1)?.['reason']).toMatch(new RegExp(`counter-0 cannot run: .*${port}.* in use`))
    taken.close()
  })

  test.concurrent('a manifest with mistakes starts nothing: exit 1', async () => {
    await using folder = await folderWith({ 'mosaik.yaml': 'mosaik: 1\nnetwork: demo\nnodes: {}\n' })
    const { code, stdout, stderr } = await mosaik(['up', '--json'], { cwd: folder.path })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/mosaik\.yaml:3:\d+ {2}MANIFEST_/)
  })

  test.concurrent('--node with a name that the manifest does not have: a suggestion, exit 2', async () => {
    await using folder = await folderWith(files('up-name'))
    const { code, stderr } = await mosaik(['up', '--node', 'conter'], { cwd: folder.path })
    expect(stderr).toContain('the manifest has no node "conter": did you mean "counter"?')
    expect(code).toBe(2)
  })
})

describe('the telemetry app', () => {
  test('converges and shows a table of this machine, with alerts once a threshold is crossed', async () => {
    await using run = new MosaikProcess(['up', 'apps/telemetry/mosaik.yaml', '--json'], {
      cwd: repository,
      env: { TELEMETRY_MEMORY_THRESHOLD: '0.0001' },
    })
    expect(await run.event('converged')).toEqual(expect.objectContaining({ edges: 4 }))
    const shown = await run.event(
      'display',
      // On a busy machine the processor has alerts of its own.
      ({ text }) => /sensors 2/.test(String(text)) && /memory of sensor-[01] raised/.test(String(text)),
    )
    expect(shown['text']).toMatch(/^sensor-0 .*%/m)
    expect(shown['text']).toMatch(/^sensor-1 .*%/m)
    run.signal('SIGINT')
    expect(await run.exit()).toBe(0)
  })
})

function named(run: MosaikProcess, name: string): UpEvent[] {
  return run.events.filter(({ event }) => event === name)
}

function pidsOf(run: MosaikProcess): number[] {
  return named(run, 'node-started').map(({ pid }) => Number(pid))
}

function edgeOf({ stream, from, to }: UpEvent): object {
  return { stream, from, to }
}

function byText(a: object, b: object): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}

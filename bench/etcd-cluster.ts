// Three nodes of the machine's etcd, for comparison.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram, freePort, kill } from './programs.ts'

const nodeCount = 3
const startMsMax = 30_000
const lookEveryMs = 50
/**
 * The election timeout of our groups, and the heartbeats that it may have: with etcd's defaults, a busy machine has it elect
 * another leader in the middle of a measurement.
 */
const timing = { 'heartbeat-interval': 400, 'election-timeout': 2_000 }

/** Running nodes on ports of their own, with etcd's defaults but for the timing. */
export class EtcdCluster implements AsyncDisposable {
  /** Where clients reach each of them. */
  readonly urls: readonly string[]
  readonly #children: readonly ChildProcess[]

  private constructor(urls: readonly string[], children: readonly ChildProcess[]) {
    this.urls = urls
    this.#children = children
  }

  /**
   * @param folder Of which each node takes a part.
   * @returns Nothing, when it is not installed.
   */
  static async start(folder: string): Promise<EtcdCluster | undefined> {
    const program = findProgram('etcd')
    if (program === undefined) return undefined
    const nodes = []
    for (let place = 0; place < nodeCount; place++)
      nodes.push({ name: `etcd-${place}`, client: await freeUrl(), peer: await freeUrl() })
    const members = nodes.map(({ name, peer }) => `${name}=${peer}`).join()
    const children = nodes.map(({ name, client, peer }) => {
      const options = {
        name,
        'data-dir': join(folder, name),
        'listen-client-urls': client,
        'advertise-client-urls': client,
        'listen-peer-urls': peer,
        'initial-advertise-peer-urls': peer,
        'initial-cluster': members,
        ...timing,
        logger: 'zap',
        'log-level': 'error',
      }
      const args = Object.entries(options).map(([option, value]) => `--${option}=${value}`)
      return spawn(program, args, { stdio: 'ignore' })
    })
    const cluster = new EtcdCluster(
      nodes.map(({ client }) => client),
      children,
    )
    try {
      await Promise.race([Promise.all(cluster.urls.map(isHealthy)), ...children.map(ended)])
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map(kill))
  }
}

async function freeUrl(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}`
}

async function ended(child: ChildProcess): Promise<never> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  throw new Error(`etcd has ended with ${code ?? signal}`)
}

/** Resolves when the node has a leader. */
async function isHealthy(url: string): Promise<void> {
  const signal = AbortSignal.timeout(startMsMax)
  for (;;) {
    // Until the node listens, there is nobody to ask.
    const answer = await fetch(`${url}/health`, { signal }).catch(() => undefined)
    const body = (await answer?.json()) as { health?: string } | undefined
    if (body?.health === 'true') return
    await sleep(lookEveryMs, undefined, { signal })
  }
}

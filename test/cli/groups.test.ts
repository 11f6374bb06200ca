// Groups as the command line shows them.
import { expect, test } from '@jest/globals'
import { folderWith, mosaik, MosaikProcess } from '../support/mosaik-process.js'

const services = `
import { z } from 'zod'
import { Group, OnLeader, schemaCodec, Service } from 'mosaik'

const number = schemaCodec(z.number())

class Tally {
  signature = 'cli.tally'
  codecs = { command: number, result: number, query: number, answer: number }
  #total = 0
  apply(command: number) {
    return (this.#total += command)
  }
  query(query: number) {
    return this.#total
  }
}

@Service()
export class Keeper {
  @Group('tally', { machine: Tally }) readonly tally!: Group<Tally>

  @OnLeader() async lead({ display, term }) {
    const { result } = await this.tally.execute(1)
    display(\`leads with \${result}\`)
  }
}
`

const manifest = (more = ''): string => `mosaik: 1
network: cli-groups-${process.pid}
secret: { env: CLI_GROUPS_SECRET }
nodes:
  keeper: { use: ./services.ts, replicas: 3 }
groups:
  tally: { voters: 3${more} }
`

test('check counts groups, and says which names are unknown', async () => {
  await using folder = await folderWith({
    'services.ts': services,
    'mosaik.yaml': manifest(),
    'wrong.yaml': manifest().replace('tally', 'taly'),
  })
  const right = await mosaik(['check'], { cwd: folder.path })
  expect([right.stderr, right.code]).toEqual(['', 0])
  expect(right.stdout).toContain('1 node, 3 replicas, 0 streams, 0 edges, 1 group')
  const wrong = await mosaik(['check', 'wrong.yaml'], { cwd: folder.path })
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toContain('wrong.yaml:7:3  GROUP_UNKNOWN  no service takes part in group "taly"')
  expect(wrong.stderr).toContain('did you mean "tally"?')
})

test('graph draws the members around the group', async () => {
  await using folder = await folderWith({ 'services.ts': services, 'mosaik.yaml': manifest() })
  const { stdout } = await mosaik(['graph', '--format', 'json'], { cwd: folder.path })
  expect((JSON.parse(stdout) as { groups: unknown }).groups).toEqual([
    {
      name: 'tally',
      voters: 3,
      members: [{ node: 'keeper', role: 'member', onLeader: ['Keeper.lead'], onFollower: [] }],
    },
  ])
})

test('up tells who leads, with all declared voters from the start; when the leader is killed, another one', async () => {
  await using folder = await folderWith({ 'services.ts': services, 'mosaik.yaml': manifest() })
  const env = { CLI_GROUPS_SECRET: 'c7a09b3d4c5e8f6a7b8c9d0e1f2a3b4d' }
  await using run = new MosaikProcess(['up', '--json'], { cwd: folder.path, env })
  const first = await run.event('group-leader', () => true, { timeoutMs: 30_000 })
  expect(first).toMatchObject({ node: 'keeper', group: 'tally', voters: 3 })
  await run.event('display', ({ text }) => text === 'leads with 1', { timeoutMs: 30_000 })

  const { pid } = await run.event('node-started', ({ replica }) => replica === first['replica'])
  const since = run.events.length
  process.kill(Number(pid), 'SIGKILL')
  const second = await run.event('group-leader', ({ term }) => Number(term) > Number(first['term']), {
    timeoutMs: 30_000,
    since,
  })
  expect(second['replica']).not.toBe(first['replica'])
  await run.event('display', ({ text }) => text === 'leads with 2', { timeoutMs: 30_000, since })
})

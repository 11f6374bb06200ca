import { readFile } from 'node:fs/promises'
import { describe, expect, test } from '@jest/globals'
import { folderWith, mosaik, repository } from '../support/mosaik-process.js'
import { counting, countingManifest } from '../support/services.js'

describe('mosaik graph', () => {
  test('json: nodes, streams and edges of the telemetry app', async () => {
    const { code, stdout } = await mosaik(['graph', 'apps/telemetry/mosaik.yaml', '--format', 'json'], {
      cwd: repository,
    })
    const graph = JSON.parse(stdout) as {
      nodes: { name: string }[]
      streams: { name: string }[]
      edges: object[]
    }
    expect(code).toBe(0)
    expect(graph.nodes.map(({ name }) => name)).toEqual(['aggregator', 'console', 'sensor'])
    expect(graph.streams.map(({ name }) => name)).toEqual([
      'telemetry.alert',
      'telemetry.sample',
      'telemetry.summary',
    ])
    expect(graph.edges).toEqual([
      { stream: 'telemetry.alert', from: 'aggregator', to: 'console' },
      { stream: 'telemetry.sample', from: 'sensor', to: 'aggregator' },
      { stream: 'telemetry.summary', from: 'aggregator', to: 'console' },
    ])
  })

  test.each(['mermaid', 'dot', 'svg', 'json'])('%s is the same every time', async (format) => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': countingManifest('demo'),
    })
    const first = await mosaik(['graph', '--format', format], { cwd: folder.path })
    const second = await mosaik(['graph', '--format', format], { cwd: folder.path })
    expect(first.code).toBe(0)
    expect(first.stdout).toContain('numbers')
    expect(second.stdout).toBe(first.stdout)
  })

  test('-o writes the format that the file ending names', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': countingManifest('demo'),
    })
    const { code, stdout } = await mosaik(['graph', '-o', 'graph.svg'], { cwd: folder.path })
    expect(code).toBe(0)
    expect(stdout).toBe('')
    expect(await readFile(folder.file('graph.svg'), 'utf8')).toMatch(/<svg[\s\S]*<\/svg>\s*$/)
  })

  test('a stream that nobody consumes is drawn as such', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': 'mosaik: 1\nnetwork: demo\nnodes:\n  counter: { use: ./services.ts#Counter }\n',
    })
    const { code, stdout, stderr } = await mosaik(['graph'], { cwd: folder.path })
    expect(stdout).toContain('no consumer')
    expect(stderr).toContain('STREAM_NOT_CONSUMED')
    expect(code).toBe(0)
  })
})

import { describe, expect, test } from '@jest/globals'
import { folderWith, mosaik, repository } from '../support/mosaik-process.js'
import { counting, countingManifest } from '../support/services.js'

describe('mosaik check', () => {
  test('a manifest without mistakes: counts, exit 0', async () => {
    const { code, stdout, stderr } = await mosaik(['check', 'apps/telemetry/mosaik.yaml'], {
      cwd: repository,
    })
    expect(stderr).toBe('')
    expect(stdout).toBe('ok  apps/telemetry/mosaik.yaml: 3 nodes, 4 replicas, 3 streams, 3 edges\n')
    expect(code).toBe(0)
  })

  test('every mistake at once, with place, code, the line under a caret and a suggestion: exit 1', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': `mosaik: 1
network: demo
nodes:
  counter: { use: ./service.ts }
  printer: { use: ./services.ts#Printer, replica: 2, tags: yes }
`,
    })
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(code).toBe(1)
    expect(stderr)
      .toBe(`mosaik.yaml:4:19  MANIFEST_USE_NOT_FOUND  node "counter" uses "./service.ts", and there is no such file
    4 |   counter: { use: ./service.ts }
      |                   ^^^^^^^^^^^^ did you mean "./services.ts"?

mosaik.yaml:5:42  MANIFEST_UNKNOWN_KEY  unknown key "replica" in node "printer"
    5 |   printer: { use: ./services.ts#Printer, replica: 2, tags: yes }
      |                                          ^^^^^^^ did you mean "replicas"?

mosaik.yaml:5:60  MANIFEST_WRONG_TYPE  node "printer": tags must be a list of tags, found "yes"
    5 |   printer: { use: ./services.ts#Printer, replica: 2, tags: yes }
      |                                                            ^^^ a list of one is written [yes]

3 errors
`)
  })

  test('a stream that nobody produces is a warning: exit 0', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': 'mosaik: 1\nnetwork: demo\nnodes:\n  printer: { use: ./services.ts#Printer }\n',
    })
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(stderr).toContain('STREAM_NOT_PRODUCED')
    expect(stderr).toContain('1 warning')
    expect(code).toBe(0)
  })

  test('a class without decorators is named, with what to do', async () => {
    await using folder = await folderWith({
      'plain.ts': 'export class Plain {}\n',
      'mosaik.yaml': 'mosaik: 1\nnetwork: demo\nnodes:\n  plain: { use: ./plain.ts }\n',
    })
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(stderr).toContain('mosaik.yaml:4:17  MANIFEST_USE_NO_SERVICE  "./plain.ts" exports no service')
    expect(stderr).toContain('decorate the class Plain with @Service()')
    expect(code).toBe(1)
  })

  test('an export that a file does not have: a suggestion', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': 'mosaik: 1\nnetwork: demo\nnodes:\n  counter: { use: ./services.ts#Conter }\n',
    })
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(stderr).toContain('mosaik.yaml:4:19  MANIFEST_USE_NO_EXPORT  "./services.ts" exports no "Conter"')
    expect(stderr).toContain('did you mean "./services.ts#Counter"?')
    expect(code).toBe(1)
  })

  test('two definitions of one stream with different schemas are an error that shows the difference', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'other.ts': `
import { Consumer, Service, stream } from 'mosaik'
import { z } from 'zod'
const Numbers = stream('numbers', z.object({ n: z.string() }))
@Service()
export class Reader {
  @Consumer(Numbers) onNumber() {}
}
`,
      'mosaik.yaml':
        'mosaik: 1\nnetwork: demo\nnodes:\n  counter: { use: ./services.ts#Counter }\n  reader: { use: ./other.ts }\n',
    })
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(stderr).toContain('STREAM_SCHEMA_CONFLICT')
    expect(stderr).toMatch(/mosaik\.yaml:5:1\d/)
    expect(code).toBe(1)
  })

  test('a service file that does not compile, and one that throws, are placed at their use', async () => {
    await using folder = await folderWith({
      'broken.ts': 'export class {\n',
      'throws.ts': "throw new Error('no database here')\n",
      'mosaik.yaml':
        'mosaik: 1\nnetwork: demo\nnodes:\n  broken: { use: ./broken.ts }\n  throws: { use: ./throws.ts }\n',
    })
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(stderr).toMatch(/mosaik\.yaml:4:18 {2}MANIFEST_USE_FAILED {2}"\.\/broken\.ts" cannot be loaded/)
    expect(stderr).toMatch(
      /mosaik\.yaml:5:18 {2}MANIFEST_USE_FAILED {2}"\.\/throws\.ts" cannot be loaded: no database here/,
    )
    expect(code).toBe(1)
  })

  test('configuration that a service cannot work with is placed in the manifest', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml':
        'mosaik: 1\nnetwork: demo\nnodes:\n  counter:\n    use: ./services.ts#Counter\n    config:\n      everyMs: soon\n',
    })
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(stderr).toContain(
      'mosaik.yaml:7:16  CONFIG_INVALID  Counter cannot work with this configuration: everyMs:',
    )
    expect(code).toBe(1)
  })

  test('an unset environment variable without a default is an error, a set one is used', async () => {
    await using folder = await folderWith({
      'services.ts': counting,
      'mosaik.yaml': countingManifest('${DEMO_NETWORK}'),
    })
    const unset = await mosaik(['check'], { cwd: folder.path })
    expect(unset.stderr).toContain('mosaik.yaml:2:10  MANIFEST_ENV_UNSET')
    expect(unset.code).toBe(1)
    const set = await mosaik(['check'], { cwd: folder.path, env: { DEMO_NETWORK: 'demo' } })
    expect(set.code).toBe(0)
  })

  test('--json: one document with every problem', async () => {
    await using folder = await folderWith({ 'mosaik.yaml': 'mosaik: 1\nnetwork: demo\nnodez: {}\n' })
    const { code, stdout } = await mosaik(['check', '--json'], { cwd: folder.path })
    const document = JSON.parse(stdout) as {
      ok: boolean
      problems: { code: string; line: number; column: number; hint?: string }[]
    }
    expect(document.ok).toBe(false)
    expect(document.problems).toContainEqual(
      expect.objectContaining({
        code: 'MANIFEST_UNKNOWN_KEY',
        severity: 'error',
        file: 'mosaik.yaml',
        line: 3,
        column: 1,
        hint: 'did you mean "nodes"?',
      }),
    )
    expect(code).toBe(1)
  })

  test('no manifest here: says where it looked, exit 1', async () => {
    await using folder = await folderWith({})
    const { code, stderr } = await mosaik(['check'], { cwd: folder.path })
    expect(stderr).toContain(`there is no manifest at ${folder.file('mosaik.yaml')} (MANIFEST_NOT_FOUND)`)
    expect(code).toBe(1)
  })
})

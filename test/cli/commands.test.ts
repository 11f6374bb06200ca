import { describe, expect, test } from '@jest/globals'
import { mosaik } from '../support/mosaik-process.js'

describe('mosaik id', () => {
  test.each([
    [['id', 'my-app'], 'e03989181c8f0a8f6d7dd41c2780886a44dce46ee9419d91d2c2b99851afd811'],
    [
      ['id', 'my-app', '--derive', 'sub-identifier'],
      '095a4ff7cade1d452486a5b1efd9782ecb05cce4dc96b6111c2e0dd0ed6fdb1c',
    ],
    [['id', 'AB'.repeat(32)], 'ab'.repeat(32)],
  ])('%j prints %s', async (args, id) => {
    expect(await mosaik(args)).toEqual({ code: 0, stdout: `${id}\n`, stderr: '' })
  })

  test('several names are several lines; what looks like a cut id is remarked on', async () => {
    const run = await mosaik(['id', 'mosaik', 'ab'.repeat(31)])
    expect(run.stdout.split('\n')).toEqual([
      'b1950ece12beb7cb9b00e98132e4b3dc6c1b14e62218b33f2696ecde15bbe8fb',
      expect.stringMatching(/^[0-9a-f]{64}$/),
      '',
    ])
    expect(run.stderr).toContain('has 62 hexadecimal characters, and an id has 64')
  })

  test('--json', async () => {
    const { stdout } = await mosaik(['id', 'mosaik', '--json'])
    expect(JSON.parse(stdout)).toEqual({
      name: 'mosaik',
      id: 'b1950ece12beb7cb9b00e98132e4b3dc6c1b14e62218b33f2696ecde15bbe8fb',
    })
  })
})

describe('the command line', () => {
  test.each([
    [['--help']],
    [['up', '--help']],
    [['check', '--help']],
    [['graph', '--help']],
    [['id', '--help']],
    [['beacon', '--help']],
    [['peers', '--help']],
    [['ping', '--help']],
    [['key', 'new', '--help']],
  ])('%j shows examples and exits with 0', async (args) => {
    const { code, stdout } = await mosaik(args)
    expect(code).toBe(0)
    expect(stdout).toMatch(/Examples?:/)
    expect(stdout).not.toContain('\u001B[')
  })

  test.each([
    [['frobnicate'], /unknown command/],
    [['up', '--frobnicate'], /unknown option/],
    [['graph', '--format', 'gif'], /Allowed choices are mermaid, dot, svg, json/],
    [['id', ''], /a name cannot be empty/],
    [['up', '--for', 'ever'], /--for takes a duration such as 500ms, 10s or 2m, not "ever"/],
  ])('%j is a usage error: exit 2', async (args, message) => {
    const { code, stderr } = await mosaik(args)
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})

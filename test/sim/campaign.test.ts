import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'

const script = fileURLToPath(new URL('run/run.mjs', import.meta.url))

async function sim(...args: string[]): Promise<{ readonly status: number; readonly output: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [status] = (await once(child, 'close')) as [number]
  return { status, output }
}

test(
  '15 seeds of 5 simulated minutes break no invariant',
  async () => {
    const { status, output } = await sim('--seeds', '15', '--minutes', '5', '--threads', '2')
    expect(output).toContain('0 violations')
    expect(status).toBe(0)
  },
  120_000 * Number(process.env.TIME_FACTOR ?? 1),
)

test(
  'a violation ends with 1 and with the command that replays it, which finds the same',
  async () => {
    const first = await sim('--seeds', '1', '--minutes', '1', '--fault', 'does-not-sync')
    expect(first.status).toBe(1)
    const command = /npm run sim -- (.*)/.exec(first.output)![1]!
    expect(command).toBe('--seeds 1 --minutes 1 --from 1 --fault does-not-sync')
    const again = await sim(...command.split(' '))
    expect(again.status).toBe(1)
    const hashOf = (output: string): string => /"traceHash": "(.*)"/.exec(output)![1]!
    expect(hashOf(again.output)).toBe(hashOf(first.output))
  },
  60_000 * Number(process.env.TIME_FACTOR ?? 1),
)

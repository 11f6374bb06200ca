import { execFileSync } from 'node:child_process'
import { expect, test } from '@jest/globals'
import { nodeArguments } from '../../cli/supervisor/node-arguments.js'

const young = '--max-semi-space-size=4'
const growth = '--heap-growing-percent=100'
const tiers = [
  '--invocation-count-for-maglev=100',
  '--invocation-count-for-turbofan=1000',
  '--minimum-invocations-after-ic-update=100',
]

test('given nothing about V8, then nodes get a small young generation, room to grow, and compile early, besides what this process was started with', () => {
  expect(nodeArguments([], {})).toEqual([young, growth, ...tiers])
  expect(nodeArguments(['--enable-source-maps'], { NODE_OPTIONS: '--trace-warnings' })).toEqual([
    '--enable-source-maps',
    young,
    growth,
    ...tiers,
  ])
})

test.each([
  [['--max-semi-space-size=32'], {}, [growth, ...tiers]],
  [['--max_semi_space_size=32'], {}, [growth, ...tiers]],
  [[], { NODE_OPTIONS: '--trace-warnings --max-semi-space-size=32' }, [growth, ...tiers]],
  [['--heap-growing-percent=20'], {}, [young, ...tiers]],
  [['--heap_growing_percent=20', '--max-semi-space-size=32'], {}, tiers],
  [['--invocation_count_for_maglev=400'], {}, [young, growth, ...tiers.slice(1)]],
])('given what is chosen by %j and %j, then that stays', (execArgv, environment, added) => {
  expect(nodeArguments(execArgv, environment)).toEqual([...execArgv, ...added])
})

test('this Node takes them', () => {
  const program = ['--eval', 'console.log("started")']
  expect(execFileSync(process.execPath, [...nodeArguments([], {}), ...program], { encoding: 'utf8' })).toBe(
    'started\n',
  )
})

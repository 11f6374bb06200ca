import { execFileSync } from 'node:child_process'
import { expect, test } from '@jest/globals'
import { nodeArguments } from '../../cli/supervisor/node-arguments.js'

const young = '--max-semi-space-size=4'
const growth = '--heap-growing-percent=100'

test('given nothing about the heap, then nodes get a small young generation and room to grow besides what this process was started with', () => {
  expect(nodeArguments([], {})).toEqual([young, growth])
  expect(nodeArguments(['--enable-source-maps'], { NODE_OPTIONS: '--trace-warnings' })).toEqual([
    '--enable-source-maps',
    young,
    growth,
  ])
})

test.each([
  [['--max-semi-space-size=32'], {}, [growth]],
  [['--max_semi_space_size=32'], {}, [growth]],
  [[], { NODE_OPTIONS: '--trace-warnings --max-semi-space-size=32' }, [growth]],
  [['--heap-growing-percent=20'], {}, [young]],
  [['--heap_growing_percent=20', '--max-semi-space-size=32'], {}, []],
])('given what is chosen by %j and %j, then that stays', (execArgv, environment, added) => {
  expect(nodeArguments(execArgv, environment)).toEqual([...execArgv, ...added])
})

test('this Node takes them', () => {
  const program = ['--eval', 'console.log("started")']
  expect(execFileSync(process.execPath, [...nodeArguments([], {}), ...program], { encoding: 'utf8' })).toBe(
    'started\n',
  )
})

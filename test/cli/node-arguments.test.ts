import { expect, test } from '@jest/globals'
import { nodeArguments } from '../../cli/supervisor/node-arguments.js'

test('given nothing about the young generation, then nodes get a small one besides what this process was started with', () => {
  expect(nodeArguments([], {})).toEqual(['--max-semi-space-size=4'])
  expect(nodeArguments(['--enable-source-maps'], { NODE_OPTIONS: '--trace-warnings' })).toEqual([
    '--enable-source-maps',
    '--max-semi-space-size=4',
  ])
})

test.each([
  [['--max-semi-space-size=32'], {}],
  [['--max_semi_space_size=32'], {}],
  [[], { NODE_OPTIONS: '--trace-warnings --max-semi-space-size=32' }],
])('given one that is chosen by %j and %j, then it stays', (execArgv, environment) => {
  expect(nodeArguments(execArgv, environment)).toEqual(execArgv)
})

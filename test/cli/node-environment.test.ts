import { expect, test } from '@jest/globals'
import { nodeEnvironment } from '../../cli/supervisor/node-environment.js'

const threads = 'TOKIO_WORKER_THREADS'

test.each([
  { processors: 1, processes: 1, expected: '1' },
  { processors: 2, processes: 1, expected: '1' },
  { processors: 2, processes: 4, expected: '1' },
  { processors: 8, processes: 1, expected: '7' },
  { processors: 8, processes: 2, expected: '3' },
  { processors: 8, processes: 3, expected: '1' },
  { processors: 64, processes: 4, expected: '15' },
  { processors: 8, processes: 0, expected: '7' },
])(
  'given $processors processors for $processes processes, then QUIC has $expected threads in each',
  ({ expected, ...machine }) => {
    expect(nodeEnvironment({}, machine)).toEqual({ [threads]: expected })
  },
)

test('given an environment, then nodes have it, and what it says of the threads of QUIC stays', () => {
  const machine = { processors: 8, processes: 2 }
  expect(nodeEnvironment({ HOME: '/home/someone' }, machine)).toEqual({
    HOME: '/home/someone',
    [threads]: '3',
  })
  expect(nodeEnvironment({ [threads]: '6' }, machine)).toEqual({ [threads]: '6' })
})

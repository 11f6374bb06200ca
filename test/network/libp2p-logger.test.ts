import { expect, test } from '@jest/globals'
import { silentLogger } from '#framework/primitives'
import { libp2pLogger } from '../../framework/network/libp2p-logger.js'

test('given an error of libp2p, then it is a detail with its name and its message, and its stack is not asked for', () => {
  const said: string[] = []
  const log = libp2pLogger({ ...silentLogger, debug: (message) => said.push(message) }).forComponent(
    'libp2p:tcp',
  )
  const gone = new RangeError('the peer has gone')
  let isAsked = false
  Object.defineProperty(gone, 'stack', {
    get: () => {
      isAsked = true
      return 'a stack'
    },
  })
  log.error('could not write to %s - %e', 'somebody', gone)
  log.error(gone)
  expect(said).toEqual([
    'could not write to somebody - %e RangeError: the peer has gone',
    'RangeError: the peer has gone',
  ])
  expect(isAsked).toBe(false)
})

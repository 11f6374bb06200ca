import { join } from 'node:path'
import type { StartMessage, ToNode } from '../../cli/supervisor/messages.js'
import { repository } from '../support/mosaik-process.js'

/** Orders to the process of a replica. */
export const start: StartMessage = {
  type: 'start',
  manifest: join(repository, 'apps/hello/mosaik.yaml'),
  node: 'greeter',
  replica: 0,
  seed: '07'.repeat(32),
  listen: ['/ip4/127.0.0.1/udp/0/quic-v1'],
  seeds: [],
  discovery: {},
  founders: {},
  logLevel: 'info',
}
export const dial: ToNode = { type: 'dial', addresses: ['/ip4/127.0.0.1/udp/9/quic-v1'] }
export const stop: ToNode = { type: 'stop' }

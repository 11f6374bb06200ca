import { connect } from 'node:net'
import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { MetricsRegistry } from '#framework/primitives'
import { Host, serveMetrics } from '#framework/network'
import { recordingLogger } from '../support/recording-logger.js'
import { within } from '../support/eventually.js'
import { network, startHost } from './hosts.js'

function registryWith(name: string): MetricsRegistry {
  const registry = new MetricsRegistry({ network: name })
  registry.counter({ name: 'mosaik_tests_total', help: 'Tests.' }).add()
  return registry
}

describe('a metrics endpoint', () => {
  test('given a host, GET /metrics has its series, all with the network label, in the text format', async () => {
    await using host = await Host.start({ network })
    await using endpoint = await serveMetrics({ registry: host.metrics })
    expect(endpoint.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
    const response = await fetch(endpoint.url)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await response.text()
    expect(text).toContain('# TYPE mosaik_connections gauge')
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(samples.length).toBeGreaterThan(3)
    for (const sample of samples) expect(sample).toContain(`network="${network.slice(0, 10)}"`)
  })

  test('N-12: given two networks in one process, each endpoint serves its own series; the same address twice fails cleanly, and the first goes on', async () => {
    await using first = await serveMetrics({ registry: registryWith('first') })
    const address = new URL(first.url).host
    await expect(serveMetrics({ registry: registryWith('second'), listen: address })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: expect.stringContaining(address),
      details: { address },
    })
    await using second = await serveMetrics({ registry: registryWith('second') })
    for (const [endpoint, name, other] of [
      [first, 'first', 'second'],
      [second, 'second', 'first'],
    ] as const) {
      const text = await (await fetch(endpoint.url)).text()
      expect(text).toContain(`mosaik_tests_total{network="${name}"} 1`)
      expect(text).not.toContain(other)
    }
  })

  test('given a close, nobody listens there any more, also when a connection is open and silent', async () => {
    const endpoint = await serveMetrics({ registry: registryWith('x') })
    const { hostname, port } = new URL(endpoint.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const gone = once(socket, 'close')
    await within(2_000, endpoint.close())
    await endpoint.close()
    await within(2_000, gone)
    await expect(fetch(endpoint.url)).rejects.toThrow()
    await using again = await serveMetrics({ registry: registryWith('x'), listen: port })
    expect(again.url).toBe(endpoint.url)
  })

  test.each([
    ['GET', '/healthz', 200, 'ok\n'],
    ['HEAD', '/metrics', 200, ''],
    ['GET', '/metrics?name[]=x', 200, expect.stringContaining('mosaik_tests_total')],
    ['POST', '/metrics', 405, 'GET it\n'],
    ['GET', '/', 404, 'see /metrics\n'],
    ['GET', '/metrics/../secret', 404, 'see /metrics\n'],
  ])('%s %s is answered with %i', async (method, path, status, text) => {
    await using endpoint = await serveMetrics({ registry: registryWith('x') })
    const response = await fetch(new URL(path, endpoint.url), { method })
    expect(response.status).toBe(status)
    expect(await response.text()).toEqual(text)
    if (status === 405) expect(response.headers.get('allow')).toBe('GET, HEAD')
  })

  test('given a registry that cannot be rendered, the answer is 500 without a word of why, which is logged', async () => {
    const lines: string[] = []
    const logger = recordingLogger(lines)
    const registry = {
      render: (): string => {
        throw new Error('inner detail')
      },
    }
    await using endpoint = await serveMetrics({ registry, logger })
    const response = await fetch(endpoint.url)
    expect(response.status).toBe(500)
    expect(await response.text()).toBe('metrics cannot be rendered\n')
    expect(lines).toEqual(['error: metrics cannot be rendered'])
  })

  test.each(['nonsense', 'host:', '127.0.0.1:99999', 'http://127.0.0.1:80', '203.0.113.1:0', '[::1]'])(
    'given the address %s, fails with ADDRESS_INVALID, naming it',
    async (listen) => {
      await expect(serveMetrics({ registry: registryWith('x'), listen })).rejects.toMatchObject({
        code: 'ADDRESS_INVALID',
        details: { address: listen },
      })
    },
  )

  test('given the loopback of IPv6, listens there; nothing is warned of', async () => {
    const lines: string[] = []
    const logger = recordingLogger(lines)
    await using endpoint = await serveMetrics({ registry: registryWith('x'), listen: '[::1]:0', logger })
    expect(endpoint.url).toMatch(/^http:\/\/\[::1\]:\d+\/metrics$/)
    expect((await fetch(endpoint.url)).status).toBe(200)
    expect(lines).toEqual([])
  })

  test('given a connection, the exporter shows it', async () => {
    await using a = await startHost()
    await using b = await startHost()
    await using endpoint = await serveMetrics({ registry: a.metrics })
    await a.connect({ addresses: b.addresses.value })
    const text = await (await fetch(endpoint.url)).text()
    expect(text).toMatch(/mosaik_peers_connected\{[^}]*\} 1/)
  })
})

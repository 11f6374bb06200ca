import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import {
  MosaikError,
  codeOf,
  messageOf,
  silentLogger,
  type Logger,
  type MetricsRegistry,
} from '#framework/primitives'

/** Who reads metrics is one scraper, or two; more connections than this at once are closed by Node. */
const CONNECTIONS_MAX = 32
/** How long a request may take to arrive; in milliseconds. */
const REQUEST_TIMEOUT_MS = 5_000
const HEADER_BYTES_MAX = 8 * 1024
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export interface MetricsEndpointOptions {
  readonly registry: Pick<MetricsRegistry, 'render'>
  /**
   * Where to listen: `host:port`, `[ipv6]:port`, or a port alone, which is one of 127.0.0.1. Port 0 is one of the
   * system's choice. Default: `127.0.0.1:0`. There is no authentication, so anything but loopback is warned of.
   */
  readonly listen?: string
  readonly logger?: Logger
}

/** Metrics as they can be scraped. */
export interface MetricsEndpoint extends AsyncDisposable {
  /** Where to get them, such as `http://127.0.0.1:9464/metrics`. */
  readonly url: string
  /** Stops listening and cuts the connections there are. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves a registry to Prometheus over plain HTTP: `GET /metrics` is its text format 0.0.4, and `GET /healthz` says that
 * the process answers. Two registries of one process have an endpoint each.
 *
 * @throws {MosaikError} `ADDRESS_IN_USE` or `ADDRESS_INVALID`, naming the address. Nothing is left open then.
 */
export async function serveMetrics(options: MetricsEndpointOptions): Promise<MetricsEndpoint> {
  const { registry, listen = '127.0.0.1:0', logger = silentLogger } = options
  const { host, port } = parseListen(listen)
  // Only for those who want it, and not by an import, which reads every export of the module: one of them loads undici.
  const server = process.getBuiltinModule('node:http').createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    (request, response) => answer(request, response, registry, logger),
  )
  server.maxConnections = CONNECTIONS_MAX
  server.listen({ host, port })
  try {
    await once(server, 'listening')
  } catch (cause) {
    const isTaken = codeOf(cause) === 'EADDRINUSE'
    const text = isTaken ? `${listen} is in use` : `cannot serve metrics on ${listen}: ${messageOf(cause)}`
    throw new MosaikError(isTaken ? 'ADDRESS_IN_USE' : 'ADDRESS_INVALID', text, {
      cause,
      details: { address: listen },
    })
  }
  // A broken connection is no affair of the process.
  server.on('error', (error) => logger.warn('the metrics endpoint has failed', { cause: messageOf(error) }))
  const url = urlOf(server)
  if (!isLoopback(host)) logger.warn('metrics can be read by everybody who reaches this address', { url })
  const closed = once(server, 'close')
  const close = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
    await closed
  }
  return { url, close, [Symbol.asyncDispose]: close }
}

function answer(
  { method, url = '/' }: IncomingMessage,
  response: ServerResponse,
  registry: Pick<MetricsRegistry, 'render'>,
  logger: Logger,
): void {
  const [path] = url.split('?')
  if (path !== '/metrics' && path !== '/healthz') return end(response, 404, 'see /metrics\n')
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return end(response, 405, 'GET it\n')
  }
  if (path === '/healthz') return end(response, 200, 'ok\n')
  let text
  try {
    text = registry.render()
  } catch (error) {
    logger.error('metrics cannot be rendered', { cause: messageOf(error) })
    return end(response, 500, 'metrics cannot be rendered\n')
  }
  end(response, 200, text)
}

/** Node leaves the body out where it answers HEAD. */
function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

function parseListen(listen: string): { host: string; port: number } {
  const match = /^(?:(?:\[([0-9a-f:.]+)\]|([^:[\]/\s]+)):)?(\d{1,5})$/i.exec(listen)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new MosaikError('ADDRESS_INVALID', `"${listen.slice(0, 200)}" is not host:port`, {
      details: { address: listen.slice(0, 200) },
    })
  }
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port }
}

function urlOf(server: Server): string {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') return ''
  const host = isIP(bound.address) === 6 ? `[${bound.address}]` : bound.address
  return `http://${host}:${bound.port}/metrics`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

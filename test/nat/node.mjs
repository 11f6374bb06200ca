// A host in a network namespace of a lab. Its first argument is its options as JSON; then it does what each line of its
// standard input says, and prints the outcome as one line.
import { createInterface } from 'node:readline'
import { digestOf } from '../../dist/framework/primitives/index.js'
import { Discovery, seeds } from '../../dist/framework/discovery/index.js'
import { Host } from '../../dist/framework/network/index.js'

const ECHO = { id: '/tests/echo/1.0', frameBytesMax: 1024 * 1024 }

const { name, seeds: first, ...options } = JSON.parse(process.argv[2])
const logger = process.env.LAB_LOG === undefined ? undefined : loggerOf(name)
const host = await Host.start({ network: digestOf('lab'), ...options, ...(logger && { logger }) })
host.handle(ECHO, async (link, accept) => {
  await accept()
  for (;;) {
    const frame = await link.recv()
    if (frame.kind === 'message') await link.send(frame.value)
  }
})

const discovery =
  first === undefined
    ? undefined
    : await Discovery.start({ host, bootstrap: [seeds(first)], ...(logger && { logger }) })

const actions = {
  catalog: () =>
    [...discovery.catalog.value.peers.values()].map(({ peer, addresses, serves }) => ({
      peer,
      addresses,
      serves,
    })),
  info: () => ({ peer: host.peerId, addresses: host.addresses.value, reachability: host.reachability.value }),
  connect: ({ addresses, peer }) => host.connect({ addresses, peer }),
  learn: ({ peer, addresses }) => host.learn(peer, addresses),
  relays: ({ targets }) => host.setRelays(targets),
  path: ({ peer }) => host.pathTo(peer) ?? null,
  metric: ({ name: metric, labels }) => host.metrics.value(metric, labels) ?? 0,
  /** Sends text to a peer and back, and says what way it took. */
  echo: async ({ peer, text }) => {
    const link = await host.open({ peer }, ECHO)
    const { transport } = host.pathTo(peer)
    await link.send(text)
    const { value } = await link.recv({ timeoutMs: 5_000 })
    await link.close({ code: 200, name: 'Success' })
    return { value, transport }
  },
  close: () => host.close(),
}

print({ peer: host.peerId, addresses: host.addresses.value })
for await (const line of createInterface({ input: process.stdin })) {
  const { id, action, args } = JSON.parse(line)
  void (async () => {
    try {
      print({ id, value: (await actions[action](args ?? {})) ?? null })
    } catch (error) {
      print({ id, error: error.message, code: error.code })
    }
  })()
}

function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

function loggerOf(who) {
  const log = (level) => (text, fields) =>
    process.stderr.write(
      `${performance.now().toFixed(0)} ${who} ${level} ${text} ${JSON.stringify(fields ?? {})}\n`,
    )
  return Object.fromEntries(['trace', 'debug', 'info', 'warn', 'error'].map((level) => [level, log(level)]))
}

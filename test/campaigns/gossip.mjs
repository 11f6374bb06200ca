// Gossip in many fresh networks of three peers in a line, one message each. Runs the built code (npm run build).
//
//   node test/campaigns/gossip.mjs [--networks 200] [--transport quic|tcp] [--publish neighbours|connected|early]
//
// When the message is published:
//   neighbours  when every peer knows its neighbours, which is what the interface promises to suffice
//   connected   as soon as the connections are there, while the gossip streams are still being opened
//   early       up to 50 ms before the last two peers are connected
//
// Ends with 1 when a message was not delivered within --deadline (5000) milliseconds.
import { parseArgs } from 'node:util'
import { digestOf } from '../../dist/framework/primitives/index.js'
import { Host } from '../../dist/framework/network/index.js'

const { values } = parseArgs({
  options: {
    networks: { type: 'string', default: '200' },
    transport: { type: 'string', default: 'quic' },
    publish: { type: 'string', default: 'neighbours' },
    deadline: { type: 'string', default: '5000' },
  },
})
const listen = { quic: ['/ip4/127.0.0.1/udp/0/quic-v1'], tcp: ['/ip4/127.0.0.1/tcp/0'] }[values.transport]
const deadlineMs = Number(values.deadline)
const message = new TextEncoder().encode('message')

const latencies = []
let lostCount = 0
let raceCount = 0
for (let i = 0; i < Number(values.networks); i++) {
  const network = digestOf(`campaign ${i}`)
  const hosts = await Promise.all([0, 1, 2].map(() => Host.start({ network, listen })))
  const topics = hosts.map((host) =>
    host.gossip('topic', { validate: () => 'accept', messageBytesMax: 1024 }),
  )
  const heard = topics.slice(1).map((topic) => new Promise((resolve) => topic.messages(resolve)))
  const [a, b, c] = hosts
  const connectAB = () => a.connect({ addresses: b.addresses.value })
  const connectBC = () => b.connect({ addresses: c.addresses.value })
  let publishedAt
  const publish = async () => {
    publishedAt = performance.now()
    if (topics[1].neighbours.value.size < 2) raceCount++
    await topics[0].publish(message)
  }
  if (values.publish === 'early') {
    await connectAB()
    await publish()
    await sleep(Math.random() * 50)
    await connectBC()
  } else {
    await Promise.all([connectAB(), connectBC()])
    if (values.publish === 'neighbours') await until(() => isComplete(topics, hosts))
    await publish()
  }
  if (await inTime(Promise.all(heard))) {
    latencies.push(performance.now() - publishedAt)
  } else {
    lostCount++
    console.log(`network ${i}: not delivered`)
  }
  await Promise.all(hosts.map((host) => host.close()))
}

latencies.sort((x, y) => x - y)
const quantile = (p) => latencies[Math.floor((latencies.length - 1) * p)]?.toFixed(1)
console.log(
  `${values.networks} networks over ${values.transport}, published at "${values.publish}": ${lostCount} messages lost, ` +
    `${raceCount} published before the middle had both neighbours; ` +
    `ms from publishing to the last peer: ${quantile(0.5)} median, ${quantile(0.99)} p99, ${quantile(1)} max`,
)
process.exitCode = lostCount === 0 ? 0 : 1

function isComplete(topics, hosts) {
  const knows = (i, j) => topics[i].neighbours.value.has(hosts[j].peerId)
  return knows(0, 1) && knows(1, 0) && knows(1, 2) && knows(2, 1)
}

async function until(condition) {
  const dueAt = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > dueAt) throw new Error('the neighbours do not find each other')
    await sleep(1)
  }
}

async function inTime(promise) {
  let timer
  const late = new Promise((resolve) => (timer = setTimeout(resolve, deadlineMs, false)))
  const outcome = await Promise.race([promise.then(() => true), late])
  clearTimeout(timer)
  return outcome
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

// Small services for tests of the command line, as files that a manifest can use.

export const counting = `
import { Config, Consumer, Producer, Service, stream } from 'mosaik'
import { z } from 'zod'
import { setTimeout as sleep } from 'node:timers/promises'

export const Numbers = stream('numbers', z.object({ n: z.number() }))

@Service()
export class Counter {
  @Config(z.object({ everyMs: z.number().min(1).default(20) })) readonly config
  @Producer(Numbers) readonly numbers
  async onStart({ signal }) {
    for (let n = 0; !signal.aborted; n++) {
      if (this.numbers.online) await this.numbers.send({ n }, { signal })
      await sleep(this.config.everyMs, undefined, { signal })
    }
  }
}

@Service()
export class Printer {
  onStart({ log }) {
    this.log = log
  }
  @Consumer(Numbers)
  onNumber({ n }) {
    this.log.info('got a number', { n })
  }
}
`

export function countingManifest(network: string): string {
  return `mosaik: 1
network: ${network}
nodes:
  counter: { use: ./services.ts#Counter }
  printer: { use: ./services.ts#Printer, replicas: 2 }
`
}

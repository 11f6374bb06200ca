import { setTimeout as sleep } from 'node:timers/promises'
import { Config, Producer, Service, type ServiceContext } from 'mosaik'
import { z } from 'zod'
import { MachineSampler } from './machine/sampler.js'
import { Samples, type Sample } from './streams.js'

const config = z.object({
  /** Milliseconds between two samples. */
  intervalMs: z.number().int().min(50).default(500),
})

/** Samples the machine it runs on. */
@Service()
export class Sensor {
  @Config(config) readonly config!: z.infer<typeof config>

  // A sample is worth nothing once the next one is there, so a slow consumer loses the oldest instead of holding up the sensor.
  @Producer(Samples, { overflow: 'drop-oldest', queue: 32 }) readonly samples!: Producer<Sample>

  async onStart({ signal, node }: ServiceContext): Promise<void> {
    const sampler = new MachineSampler()
    const sensor = `${node.name}-${node.replica}`
    while (!signal.aborted) {
      await sleep(this.config.intervalMs, undefined, { signal })
      const reading = sampler.sample()
      if (this.samples.online) await this.samples.send({ sensor, ...reading }, { signal })
    }
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { Config, Consumer, Producer, Service, type ServiceContext } from 'mosaik'
import { z } from 'zod'
import { Alerts, Samples, Summaries, type Alert, type Sample, type Summary } from './streams.js'
import { AlertBook, RollingWindow } from './window.js'

const config = z.object({
  windowSeconds: z.number().min(1).default(30),
  thresholds: z.object({
    cpu: z.number().min(0).max(1),
    memory: z.number().min(0).max(1),
  }),
})

/** Keeps a rolling window per sensor, sums it up every second and raises alerts. */
@Service()
export class Aggregator {
  @Config(config) readonly config!: z.infer<typeof config>
  @Producer(Summaries, { overflow: 'drop-oldest', queue: 8 }) readonly summaries!: Producer<Summary>
  @Producer(Alerts) readonly alerts!: Producer<Alert>

  readonly #windows = new Map<string, RollingWindow>()
  readonly #book = new AlertBook()

  @Consumer(Samples)
  onSample(sample: Sample): void {
    let window = this.#windows.get(sample.sensor)
    if (window === undefined) {
      window = new RollingWindow(this.config.windowSeconds * 1000)
      this.#windows.set(sample.sensor, window)
    }
    window.add(sample)
  }

  async onStart({ signal, log }: ServiceContext): Promise<void> {
    while (!signal.aborted) {
      await sleep(1000, undefined, { signal })
      const at = Date.now()
      this.#forgetSilentSensors(at)
      for (const alert of this.#judge(at)) {
        log.warn(`${alert.metric} of ${alert.sensor} ${alert.state}`, {
          value: alert.value,
          threshold: alert.threshold,
        })
        if (this.alerts.online) await this.alerts.send(alert, { signal })
      }
      if (this.summaries.online) await this.summaries.send(this.#summarise(at), { signal })
    }
  }

  #summarise(at: number): Summary {
    const sensors = [...this.#windows.values()]
      .map((window) => window.summarise(at))
      .filter((summary) => summary !== undefined)
    sensors.sort((a, b) => a.sensor.localeCompare(b.sensor))
    return { at, windowSeconds: this.config.windowSeconds, sensors }
  }

  #judge(at: number): Alert[] {
    const alerts: Alert[] = []
    for (const [sensor, window] of this.#windows) {
      for (const metric of ['cpu', 'memory'] as const) {
        const alert = this.#book.judge(
          sensor,
          metric,
          window.recent(metric, at),
          this.config.thresholds[metric],
          at,
        )
        if (alert !== undefined) alerts.push(alert)
      }
    }
    return alerts
  }

  #forgetSilentSensors(now: number): void {
    for (const [sensor, window] of this.#windows) {
      window.forget(now)
      if (window.isEmpty) this.#windows.delete(sensor)
    }
  }
}

import { Consumer, Service, type ServiceContext } from 'mosaik'
import { Alerts, Summaries, type Alert, type Summary } from './streams.js'
import { renderTable } from './table.js'

const alertCountMax = 5

/** Shows the newest summary and the last alerts as a table that stays in place. */
@Service()
export class Console {
  #context!: ServiceContext
  #alerts: Alert[] = []
  #summary: Summary | undefined

  onStart(context: ServiceContext): void {
    this.#context = context
    context.display('waiting for the first summary')
  }

  @Consumer(Summaries)
  onSummary(summary: Summary): void {
    this.#summary = summary
    this.#show()
  }

  @Consumer(Alerts)
  onAlert(alert: Alert): void {
    this.#alerts = [...this.#alerts, alert].slice(-alertCountMax)
    this.#show()
  }

  #show(): void {
    if (this.#summary !== undefined) this.#context.display(renderTable(this.#summary, this.#alerts))
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer, Producer, Service, stream, type ServiceContext } from 'mosaik'
import { z } from 'zod'

const Greetings = stream('greetings', z.object({ text: z.string() }))

@Service()
export class Greeter {
  @Producer(Greetings) readonly greetings!: Producer<{ text: string }>

  async onStart({ signal }: ServiceContext) {
    for (let n = 1; !signal.aborted; n++) {
      await this.greetings.send({ text: `hello ${n}` }, { signal })
      await sleep(1000, undefined, { signal })
    }
  }
}

@Service()
export class Listener {
  @Consumer(Greetings) onGreeting({ text }: { text: string }) {
    console.log(text)
  }
}

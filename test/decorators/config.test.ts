import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { Config, collect, Service } from '#decorators'
import { FakeNode } from './fake-node.js'

const window = z.object({ seconds: z.number().min(1), thresholds: z.object({ cpu: z.number().max(1) }) })
const names = z.object({ label: z.string().default('none') })

@Service()
class Configured {
  @Config(window) readonly window!: z.infer<typeof window>
  @Config(names) readonly names!: z.infer<typeof names>
}

describe('a node configuration', () => {
  const { binding } = collect(Configured)

  test('given what every schema accepts, each property has its part, with defaults', async () => {
    const config = { seconds: 5, thresholds: { cpu: 0.5 }, other: true }
    expect(binding.configProblems(config)).toEqual([])
    const instance = FakeNode.instance(await new FakeNode({ config }).bind(Configured), Configured)
    expect(instance.window).toEqual({ seconds: 5, thresholds: { cpu: 0.5 } })
    expect(instance.names).toEqual({ label: 'none' })
  })

  test('given several mistakes, each is a problem with its path and the service that minds', () => {
    expect(binding.configProblems({ seconds: 0, thresholds: { cpu: 'high' }, label: 1 })).toEqual([
      { service: 'Configured', path: ['seconds'], message: expect.stringContaining('>=1') },
      {
        service: 'Configured',
        path: ['thresholds', 'cpu'],
        message: expect.stringContaining('expected number'),
      },
      { service: 'Configured', path: ['label'], message: expect.stringContaining('expected string') },
    ])
  })

  test('the keys that a service reads are part of what it declares, unless it may read any', () => {
    expect(collect(Configured).declaration.configKeys).toEqual(['label', 'seconds', 'thresholds'])
    @Service()
    class Greedy {
      @Config(names) readonly names!: z.infer<typeof names>
      @Config(z.record(z.string(), z.unknown())) readonly all!: Record<string, unknown>
    }
    @Service()
    class Loose {
      @Config(z.looseObject({ a: z.string() })) readonly all!: { a: string }
    }
    expect(collect(Greedy).declaration.configKeys).toBeUndefined()
    expect(collect(Loose).declaration.configKeys).toBeUndefined()
  })

  test('given a schema that cannot be read without waiting, that is a problem too', () => {
    const slow = z.object({}).refine(async () => Promise.resolve(true))
    @Service()
    class Slow {
      @Config(slow) readonly config!: z.infer<typeof slow>
    }
    expect(collect(Slow).binding.configProblems({})).toEqual([
      { service: 'Slow', path: [], message: expect.stringMatching(/async/i) },
    ])
  })
})

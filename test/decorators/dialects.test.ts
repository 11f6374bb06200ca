import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { transform, type Options } from '@swc/core'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** A service as users write it, and what it was made of. `#decorators` is the built package in a process of its own. */
const source = `
import { z } from 'zod'
import { stream } from '#framework/streams'
import { Config, Consumer, Injectable, Producer, RequireTicket, Service, bindingOf, collect } from '#decorators'

const datum = z.object({ n: z.number() })
const [In, Out, Extra] = ['in', 'out', 'extra'].map((name) => stream(name, datum))

const validator = (name) => ({ class: name, signature: name, validate: () => 'never' })

@Injectable()
class Ledger {}

class Base {
  @Config(z.object({ size: z.number() })) config!: { size: number }
  @Producer(Out) out!: Producer<{ n: number }>
  @RequireTicket(validator('member')) @Consumer(In) onIn(_datum: { n: number }): string { return 'base' }
}

@Service({ tags: ['t'], deps: () => [Ledger] })
class Derived extends Base {
  @Consumer(Extra, { onError: 'skip' }) extra(_datum: { n: number }): void {}
  constructor(readonly ledger: Ledger) { super() }
}

@RequireTicket(validator('class'))
@Service()
class Sibling extends Base {}

const tickets = (ctor) =>
  collect(ctor).declaration.consumes.map((p) => p.member + ' ' + p.options.requireTicket?.map((v) => v.signature))

const ports = (ctor) => {
  const { produces, consumes } = collect(ctor).declaration
  return [...produces.map((p) => 'out ' + p.member + ' ' + p.stream), ...consumes.map((p) => 'in ' + p.member + ' ' + p.stream)]
}
const handle = { recv: () => new Promise(() => {}), tryRecv: () => undefined }
const { instance } = await bindingOf(Derived).bind({
  streams: { produce: (definition) => definition.name, consume: () => handle },
  config: { size: 3 }, signal: new AbortController().signal, node: {}, logger: {}, clock: {}, metrics: {}, display() {},
})
console.log(JSON.stringify({
  derived: ports(Derived), sibling: ports(Sibling), tags: collect(Derived).declaration.tags,
  tickets: [tickets(Derived), tickets(Sibling)],
  out: instance.out, config: instance.config, ledger: instance.ledger instanceof Ledger,
}))
`

const expected = {
  derived: ['out out out', 'in extra extra', 'in onIn in'],
  sibling: ['out out out', 'in onIn in'],
  tags: ['t'],
  tickets: [['extra undefined', 'onIn member'], ['onIn class,member']],
  out: 'out',
  config: { size: 3 },
  ledger: true,
}

const bySwc = (mode: object) => async (folder: string) => {
  const options: Options = {
    configFile: false,
    swcrc: false,
    module: { type: 'es6' },
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { useDefineForClassFields: true, ...mode },
    },
  }
  const { code } = await transform(source, options)
  const file = join(folder, 'services.mjs')
  await writeFile(file, code)
  return file
}

const byTsc = (legacy: boolean) => async (folder: string) => {
  await writeFile(join(folder, 'services.ts'), source)
  const compilerOptions = {
    noEmit: false,
    noCheck: true,
    allowImportingTsExtensions: false,
    rootDir: root,
    outDir: 'out',
    customConditions: [],
    experimentalDecorators: legacy,
    emitDecoratorMetadata: legacy,
  }
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['services.ts'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])
  return join(folder, 'out', relative(root, folder), 'services.js')
}

test.each([
  ['swc, legacy with metadata', bySwc({ legacyDecorator: true, decoratorMetadata: true })],
  ['swc, legacy without metadata', bySwc({ legacyDecorator: true })],
  ['swc, standard of 2022-03', bySwc({ decoratorVersion: '2022-03' })],
  ['swc, standard of 2023-11', bySwc({ decoratorVersion: '2023-11' })],
  ['TypeScript, legacy', byTsc(true)],
  ['TypeScript, standard', byTsc(false)],
])('given a service compiled by %s, it declares and gets the same', async (_name, compile) => {
  const folder = await mkdtemp(join(import.meta.dirname, '.compiled-'))
  try {
    const { stdout } = await run(process.execPath, [await compile(folder)], { env: {} })
    expect(JSON.parse(stdout)).toEqual(expected)
  } finally {
    await rm(folder, { recursive: true })
  }
})

import { expect, test } from '@jest/globals'
import { folderWith, mosaik } from '../support/mosaik-process.js'

const services = `
import { Service } from 'mosaik'

@Service()
export class Worker {
  onStart({ node, finish }) {
    if (node.name === 'done') finish(...(process.env.FAILURE === undefined ? [] : [process.env.FAILURE]))
  }
}
`

const manifest = `mosaik: 1
network: finish
nodes:
  idle: { use: ./services.ts }
  done: { use: ./services.ts }
`

test('given a service that says that everything is done, the run ends with exit code 0', async () => {
  await using folder = await folderWith({ 'services.ts': services, 'mosaik.yaml': manifest })
  const { code, stdout } = await mosaik(['up'], { cwd: folder.path })
  expect(stdout).toContain('stopped: done-0 is done\n')
  expect(code).toBe(0)
})

test('given a service that says that it was done without success, the run ends with exit code 1 and says why', async () => {
  await using folder = await folderWith({ 'services.ts': services, 'mosaik.yaml': manifest })
  const { code, stdout } = await mosaik(['up'], { cwd: folder.path, env: { FAILURE: 'out of luck' } })
  expect(stdout).toContain('stopped: done-0 is done without success: out of luck\n')
  expect(code).toBe(1)
})

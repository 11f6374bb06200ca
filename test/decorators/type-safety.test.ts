import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '../..')

/** What the compiler has to say about the fixture; nothing when each expected mistake is there and no other. */
async function check(dialect: 'legacy' | 'standard'): Promise<string> {
  const legacy = dialect === 'legacy'
  const config = join(import.meta.dirname, `fixtures/.tsconfig-${dialect}-${process.pid}.json`)
  await writeFile(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        experimentalDecorators: legacy,
        emitDecoratorMetadata: legacy,
        // Against the declarations of dist/, as users compile: all sources take the compiler five times as long.
        customConditions: [],
      },
      include: [],
      files: ['./type-safety.ts'],
    }),
  )
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(root, 'node_modules/typescript/bin/tsc'),
      '-p',
      config,
    ])
    return stdout
  } catch (error) {
    return (error as { readonly stdout: string }).stdout
  } finally {
    await rm(config)
  }
}

test.each(['legacy', 'standard'] as const)(
  'given %s decorators, members of a fitting type compile and each other one is a type error',
  async (dialect) => {
    const problems = (await check(dialect)).split('\n').filter((line) => line.includes('fixtures/'))
    expect(problems).toEqual([])
  },
)

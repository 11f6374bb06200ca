import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { Script } from './script.js'

const folder = join(process.cwd(), 'test/groups/raft/scripts')
/** On purpose only: the traces become what they are now, to be read as a diff. */
const regenerates = process.env.RAFT_SCRIPTS === 'regenerate'

/** The commands of a script with the traces below them replaced by what happens. */
function replay(text: string): string {
  const script = new Script()
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') lines.push(line)
    else if (line.startsWith('> '))
      lines.push(
        line,
        ...script
          .run(line.slice(2))
          .split('\n')
          .map((traced) => `  ${traced}`),
      )
  }
  return lines.join('\n')
}

test.each(readdirSync(folder))('script %s', (file) => {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  const replayed = replay(text)
  if (regenerates) writeFileSync(path, replayed)
  else expect(replayed).toBe(text)
})

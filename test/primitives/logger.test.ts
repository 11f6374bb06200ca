import { expect, test } from '@jest/globals'
import { silentLogger } from '#framework/primitives'

test('the silent logger and its children take everything and say nothing', () => {
  const child = silentLogger.child({ node: 'a' })
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    expect(child[level]('text', { field: 1 })).toBeUndefined()
  }
})

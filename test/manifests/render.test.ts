import { expect, test } from '@jest/globals'
import { stripVTControlCharacters } from 'node:util'
import { locate, type LocatedProblem, problemsToJson, renderProblems } from '#manifests'
import { minimal, parse } from './support.js'

const { source } = parse(minimal)

function problem(rest: Partial<LocatedProblem>): LocatedProblem {
  const [located] = locate(
    [{ code: 'CODE', severity: 'error', message: 'message', path: ['network'] }],
    source,
  )
  return { ...located!, ...rest }
}

test('given no problems, nothing is printed', () => {
  expect(renderProblems([], { color: true })).toBe('')
})

test('given errors and warnings, errors come first and each kind is in the order of the file', () => {
  const problems = [
    problem({ severity: 'warning', line: 1, code: 'W1' }),
    problem({ line: 3, code: 'E3' }),
    problem({ line: 2, column: 9, code: 'E2' }),
    problem({ line: 2, column: 1, code: 'E1' }),
  ]
  expect(problemsToJson(problems).map(({ code }) => code)).toEqual(['E1', 'E2', 'E3', 'W1'])
  expect(renderProblems(problems, { color: false }).match(/E1|E2|E3|W1/g)).toEqual(['E1', 'E2', 'E3', 'W1'])
})

test('given a warning, it says that it is one', () => {
  expect(renderProblems([problem({ severity: 'warning', hint: 'mend it' })], { color: false })).toBe(
    [
      '/project/orders.yaml:2:10  CODE  warning: message',
      '    2 | network: orders',
      '      |          ^^^^^^ mend it',
    ].join('\n'),
  )
})

test('given colours, only colours are added', () => {
  const problems = [problem({}), problem({ severity: 'warning', hint: 'mend it' })]
  const coloured = renderProblems(problems, { color: true })
  expect(coloured).toContain('\u001B[31mCODE\u001B[39m')
  expect(coloured).toContain('\u001B[33mCODE\u001B[39m')
  expect(stripVTControlCharacters(coloured)).toBe(renderProblems(problems, { color: false }))
})

test('given a message or a file name that would control the terminal, it is shown instead', () => {
  const printed = renderProblems(
    [problem({ file: 'a\u001B[2J.yaml', message: 'b\u0007\nc', hint: '\u202Ed' })],
    {
      color: false,
    },
  )
  expect(printed).toContain('a\uFFFD[2J.yaml:2:10  CODE  b\uFFFD\uFFFDc\n')
  expect(printed).toContain('\uFFFDd')
})

test('given more problems than anyone reads, the rest is counted', () => {
  const printed = renderProblems(
    Array.from({ length: 60 }, () => problem({})),
    { color: false },
  )
  expect(printed.match(/CODE/g)).toHaveLength(50)
  expect(printed).toMatch(/\n\n… and 10 more$/)
})

test('given a problem, programs get its place, code, words and path, and nothing that is for the screen', () => {
  expect(problemsToJson(parse('mosaik: 1\nnetwork: 5\nnodes: {}\n').problems)).toEqual([
    {
      file: '/project/orders.yaml',
      line: 2,
      column: 10,
      endLine: 2,
      endColumn: 11,
      severity: 'error',
      code: 'MANIFEST_WRONG_TYPE',
      message: 'network must be a string, found 5',
      hint: 'in quotes it is a string: "5"',
      path: ['network'],
    },
    {
      file: '/project/orders.yaml',
      line: 3,
      column: 1,
      endLine: 3,
      endColumn: 6,
      severity: 'error',
      code: 'MANIFEST_VALUE_INVALID',
      message: 'nodes declares nothing',
      hint: 'declare at least one node',
      path: ['nodes'],
    },
  ])
})

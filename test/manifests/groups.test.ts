// The groups of a manifest: what they become, and what is said of their mistakes.
import { describe, expect, test } from '@jest/globals'
import { validate } from '#framework/topology'
import { locate, lower, renderProblems } from '#manifests'
import { service } from '../topology/declare.js'
import { minimal, parse, rendered } from './support.js'

test('given groups, they become parts of the manifest and of the topology, in the order of the file', () => {
  const { manifest, problems } = parse(`${minimal}data: ./data
groups:
  book: { voters: 3, storage: lmdb, evictAfter: 1.5m, key: { env: BOOK_KEY } }
  audit log: { storage: memory, passphrase: { file: ./audit.secret } }
  plain: {}
`)
  expect(problems).toEqual([])
  const groups = [
    { name: 'book', voters: 3, storage: 'lmdb', evictAfterMs: 90_000, key: { env: 'BOOK_KEY' } },
    { name: 'audit log', storage: 'memory', passphrase: { file: './audit.secret' } },
    { name: 'plain' },
  ]
  expect(manifest?.groups).toEqual(groups)
  expect(lower(manifest!, new Map()).groups).toEqual(groups)
})

test('given references to variables, they are filled in', () => {
  const { manifest, problems } = parse(
    `${minimal}groups:\n  book:\n    voters: \${VOTERS:-5}\n    evictAfter: \${AFTER}\n`,
    {
      env: { AFTER: '10s' },
    },
  )
  expect(problems).toEqual([])
  expect(manifest?.groups).toEqual([{ name: 'book', voters: 5, evictAfterMs: 10_000 }])
})

describe('mistakes', () => {
  test.each([
    ['{ voters: 0 }', 'group "book": voters must be a whole number from 1 to 99, found 0'],
    ['{ voters: three }', 'group "book": voters must be a whole number from 1 to 99, found "three"'],
    ['{ storage: disk }', 'group "book": storage must be lmdb or memory, found "disk"'],
    ['{ evictAfter: 30 }', 'group "book": evictAfter must be a duration such as 30s, found 30'],
    ['{ evictAfter: "30" }', 'did you mean 30s?'],
    ['{ evictAfter: soon }', 'group "book": evictAfter "soon" is no duration'],
    ['{ evictAfter: 0s }', 'group "book": evictAfter "0s" is no duration'],
    ['{ voter: 3 }', 'unknown key "voter" in group "book"'],
    ['{ voter: 3 }', 'did you mean "voters"?'],
    ['{ key: {} }', 'needs one place to read the key of the group from'],
    ['{ key: { env: A }, passphrase: { env: B } }', 'has two keys'],
    ['3', 'group "book" must be a mapping with "voters" and other keys, found 3'],
  ])('book: %s', (written, expected) => {
    expect(rendered(`${minimal}groups: { book: ${written} }\n`)).toContain(expected)
  })

  test('a name that cannot name a group, and what stands under it', () => {
    const text = rendered(`${minimal}groups: { " book": { voter: 3 } }\n`)
    expect(text).toContain('MANIFEST_NAME_INVALID  " book" cannot name a group')
    expect(text).toContain('unknown key "voter" in group " book"')
  })

  test('a key that stands in the manifest: nothing of it is repeated', () => {
    const key = '0123456789abcdef'.repeat(4)
    const text = rendered(
      `${minimal}groups: { book: { key: ${key} }, log: { passphrase: "correct horse" } }\n`,
    )
    expect(text).toContain('MANIFEST_SECRET_LITERAL  the key of group "book" stands in the manifest')
    expect(text).toContain('write "key: { env: NAME }" or "key: { file: ./<file> }"')
    expect(text).toContain('the passphrase of group "log" stands in the manifest')
    expect(text).not.toContain('0123456789')
    expect(text).not.toContain('horse')
  })

  test('a key where its place should be: nothing of it is repeated', () => {
    const text = rendered(`${minimal}groups: { book: { key: { env: s3cr3t-s3cr3t } } }\n`)
    expect(text).toContain('MANIFEST_VALUE_INVALID  group "book": key.env cannot name a variable')
    expect(text).not.toContain('s3cr3t')
  })
})

test('given what is wrong with the groups of a topology, it is placed where the manifest says it', () => {
  const { manifest, source } = parse(`${minimal}secret: { env: SECRET }
groups:
  book: { voters: 4 }
  bok: { voters: 3 }
`)
  const trader = service('Trader', {
    groups: [
      {
        group: 'book',
        machine: 'test.book',
        role: 'member',
        member: 'book',
        onLeader: [],
        onFollower: [],
        options: {},
      },
    ],
  })
  const problems = validate(lower(manifest!, new Map([['trader', [trader]]])))
  expect(`\n${renderProblems(locate(problems, source), { color: false })}\n`).toMatchInlineSnapshot(`
   "
   /project/orders.yaml:8:3  GROUP_UNKNOWN  no service takes part in group "bok"
       8 |   bok: { voters: 3 }
         |   ^^^ did you mean "book"?

   /project/orders.yaml:7:19  GROUP_VOTERS_EVEN  warning: group "book" has 4 voters, which survive the loss of no more than 3 do
       7 |   book: { voters: 4 }
         |                   ^ take 3 or 5

   /project/orders.yaml:7:19  GROUP_VOTERS_MISSING  warning: group "book" is to have 4 voters, and there is 1 member
       7 |   book: { voters: 4 }
         |                   ^ raise "replicas", unless another manifest brings the others
   "
  `)
})

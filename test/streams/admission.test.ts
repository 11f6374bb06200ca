import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { stream } from '#framework/streams'
import {
  admissionRefusal,
  type AdmissionRules,
  type Applicant,
} from '../../framework/streams/eligibility/admission.js'
import { entryWith } from './peer-entry.js'

const offered = stream('load', z.object({ load: z.number() }))
const other = stream('load', z.object({ load: z.string() }))
const entry = entryWith()

const applicant: Applicant = {
  entry,
  fingerprint: offered.fingerprint,
  shape: offered.shape,
  label: 'board#1',
}
const rules: AdmissionRules = {
  name: 'load',
  fingerprint: offered.fingerprint,
  shape: offered.shape,
  label: 'sensor#0',
  consumerCount: 0,
  maxConsumers: 2,
  judge: () => ({ isEligible: true, until: 'never' }),
}
const asked = (who: Partial<Applicant>, what: Partial<AdmissionRules> | 'nothing' = {}): number | undefined =>
  admissionRefusal({ ...applicant, ...who }, what === 'nothing' ? undefined : { ...rules, ...what })?.reason
    .code

test('a consumer that fulfils everything is admitted', () => {
  expect(asked({})).toBeUndefined()
})

describe('each reason to refuse, in the order in which they are looked at', () => {
  const no = { isEligible: false, cause: 'predicate', message: 'not this one' } as const
  const worst = { consumerCount: 2, judge: () => no, fingerprint: other.fingerprint }
  test('UnknownPeer before everything else', () => expect(asked({ entry: undefined }, worst)).toBe(401))
  test('StreamNotFound', () => expect(asked({}, 'nothing')).toBe(10404))
  test('NoCapacity', () => expect(asked({}, worst)).toBe(10509))
  test('NotAllowed', () => expect(asked({}, { ...worst, consumerCount: 1 })).toBe(10403))
  test('SchemaMismatch', () => expect(asked({}, { fingerprint: other.fingerprint })).toBe(10409))
})

test.each([
  ['predicate', { isEligible: false, cause: 'predicate', message: 'no tag' }],
  ['rtt', { isEligible: false, cause: 'rtt', message: 'too far' }],
  ['ticket', { isEligible: false, cause: 'ticket', problem: 'expired', message: 'too late' }],
] as const)('a consumer that does not qualify (%s) is told why', (result, judgement) => {
  expect(admissionRefusal(applicant, { ...rules, judge: () => judgement })).toEqual({
    result,
    reason: {
      code: 10403,
      name: 'NotAllowed',
      message: `the producer of stream "load" does not serve this peer: ${judgement.message}`,
    },
  })
})

test('a predicate is not asked about a consumer for which there is no room', () => {
  let calls = 0
  asked({}, { consumerCount: 2, judge: () => ({ isEligible: ++calls > 0, until: 'never' }) as never })
  expect(calls).toBe(0)
})

test('two schemas on one name: the refusal names both sides, the stream and the field', () => {
  const refusal = admissionRefusal(
    { ...applicant, fingerprint: other.fingerprint, shape: other.shape },
    rules,
  )
  expect(refusal?.reason).toMatchObject({ code: 10409, name: 'SchemaMismatch' })
  expect(refusal?.reason.message).toBe(
    'producer sensor#0 and consumer board#1 define stream "load" differently: /load: producer number, consumer string',
  )
})

test('a consumer that sends no shape is told that the fingerprints differ', () => {
  const refusal = admissionRefusal({ ...applicant, fingerprint: other.fingerprint, shape: undefined }, rules)
  expect(refusal?.reason.message).toContain('their fingerprints differ')
})

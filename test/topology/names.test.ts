import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isLabel, isNodeName, isServiceName, nodeNameFrom } from '#framework/topology'
import { anyText } from '../support/any-text.js'

test.each([
  ['OrderBook', 'order-book'],
  ['HTTPGate2', 'http-gate2'],
  ['Sensor', 'sensor'],
  ['_Private$', 'private'],
  ['Überblick', 'uberblick'],
  ['already-fine', 'already-fine'],
  ['数', ''],
])('the class %s suggests the node name %j', (className, nodeName) => {
  expect(nodeNameFrom(className)).toBe(nodeName)
})

test('property: what is suggested is a node name, or nothing is', () => {
  fc.assert(
    fc.property(anyText({ maxLength: 60 }), (text) => {
      const name = nodeNameFrom(text)
      expect(name === '' || name.length > 63 || isNodeName(name)).toBe(true)
    }),
  )
})

test.each(['Matcher', 'my.service', 'Größe', '$x_1', '数'])('%j can name a service', (name) => {
  expect(isServiceName(name)).toBe(true)
})

test.each(['', 'a b', '-a', 'a/b', 'x'.repeat(129)])('%j cannot name a service', (name) => {
  expect(isServiceName(name)).toBe(false)
})

test.each(['a', 'order book', 'über', '64 €'])('%j is a label', (text) => {
  expect(isLabel(text)).toBe(true)
})

test.each(['', ' a', 'a\n', 'a\u0000b', '\ud800', 'x'.repeat(129)])('%j is no label', (text) => {
  expect(isLabel(text)).toBe(false)
})

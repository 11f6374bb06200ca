import { packageMapper } from './test/support/packages.ts'

/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  globalSetup: '<rootDir>/test/support/build.ts',
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  runtime: '<rootDir>/test/support/runtime.mjs',
  // Two files at a time keep two cores busy. With three the tests of many processes starve each other.
  maxWorkers: 2,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironmentOptions: { customExportConditions: ['mosaik-source', 'node', 'node-addons'] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1', ...packageMapper },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  // Ends a test that hangs. Whatever a test waits for has a deadline of its own, and is to say so before this does.
  testTimeout: 60_000 * Number(process.env.TIME_FACTOR ?? 1),
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        configFile: false,
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
        },
      },
    ],
  },
}

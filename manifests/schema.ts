// The manifest format: what `parse.ts` judges by, and what the JSON Schema for editors is generated from.
import { isLabel, isNodeName, labelRule, nodeNameFrom, nodeNameRule } from '#framework/topology'
import { z } from 'zod'
import {
  type AddressFault,
  hostFault,
  multiaddrFault,
  multiaddrPattern,
  peerIdPattern,
  portMax,
  portRangePattern,
  portsOrMultiaddrFault,
  seedFault,
} from './addresses.js'
import { durationPattern, parseDuration } from '#framework/primitives'
import type { ManifestCode } from './finding.js'
import { useFault } from './use.js'

/** The version of the format that `mosaik: 1` names. */
export const manifestVersion = 1
const replicasMax = 1000

/** What a text is refused with. */
export interface Fault {
  readonly code: ManifestCode
  /** Follows the place and the text, as in `seeds[0] "here" is no multiaddr`. */
  readonly message: string
  readonly hint?: string
}

/** What must be said of a value whose type is all that can be told. */
export const anyText = 'a string'

// Every `error` below completes a sentence that begins with "… must be" and ends with what was found instead.

function text(expected: string, judge: (text: string) => Fault | undefined): z.ZodString {
  return z.string({ error: expected }).check(({ value, issues }) => {
    const fault = judge(value)
    if (fault === undefined) return
    issues.push({ code: 'custom', input: value, message: fault.message, params: fault })
  })
}

function label(what: string): (text: string) => Fault | undefined {
  return (value) =>
    isLabel(value)
      ? undefined
      : { code: 'MANIFEST_NAME_INVALID', message: `cannot ${what}`, hint: `it has ${labelRule}` }
}

/** Gives what another file finds wrong with a text its code. */
function faultWith(
  code: ManifestCode,
  judge: (text: string) => Omit<Fault, 'code'> | undefined,
): (text: string) => Fault | undefined {
  return (value) => {
    const fault = judge(value)
    return fault === undefined ? undefined : { code, ...fault }
  }
}

function address(judge: (text: string) => AddressFault | undefined): (text: string) => Fault | undefined {
  return faultWith('MANIFEST_ADDRESS_INVALID', judge)
}

function nodeNameFault(name: string): Fault | undefined {
  if (isNodeName(name)) return undefined
  const likely = nodeNameFrom(name)
  const hint = isNodeName(likely) ? `did you mean "${likely}"?` : `it has ${nodeNameRule}`
  return { code: 'MANIFEST_NAME_INVALID', message: 'cannot name a node', hint }
}

const multiaddr = text('a multiaddr such as /ip4/127.0.0.1/udp/4001/quic-v1', address(multiaddrFault)).meta({
  pattern: multiaddrPattern.source,
})

/** A path that cannot be taken for anything else. */
const pathPattern = /^(\.{1,2})?\//

function pathFault(value: string): Omit<Fault, 'code'> | undefined {
  if (pathPattern.test(value)) return undefined
  return { message: 'is no path', hint: `did you mean "./${value}"?` }
}

function durationFault(value: string): Omit<Fault, 'code'> | undefined {
  if ((parseDuration(value) ?? 0) > 0) return undefined
  const isNumber = /^\d+(\.\d+)?$/.test(value)
  return { message: 'is no duration', hint: isNumber ? `did you mean ${value}s?` : 'as in 500ms, 30s or 2m' }
}

function relayFault(value: string): AddressFault | undefined {
  const fault = multiaddrFault(value)
  if (fault !== undefined) return fault
  if (value.includes('/p2p-circuit')) return { message: 'is an address behind a relay, not of one' }
  if (/\/p2p\/[^/]+$/.test(value)) return undefined
  return { message: 'does not say which peer the relay is', hint: 'end it with /p2p/<peer id>' }
}

const usePath = text(
  'the path of a file, or a list of paths',
  faultWith('MANIFEST_VALUE_INVALID', useFault),
).meta({ pattern: '^(\\.{1,2})?/' })

const relayAddress = text(
  'a multiaddr such as /ip4/192.0.2.7/udp/4001/quic-v1/p2p/12D3Koo…',
  address(relayFault),
).meta({ pattern: multiaddrPattern.source })

const flag = z.boolean({ error: 'true or false' })

const relaySchema = z.strictObject(
  {
    serve: flag
      .optional()
      .describe(
        'Whether peers can reach each other over the node, which others have to be able to reach. Default false.',
      ),
    via: z
      .union(
        [
          text(
            'auto, or a multiaddr',
            address((value) => (value === 'auto' ? undefined : relayFault(value))),
          ).meta({ pattern: `^auto$|${multiaddrPattern.source}` }),
          z
            .array(relayAddress, { error: 'a list of multiaddrs' })
            .min(1, { error: 'a list of at least one multiaddr' }),
        ],
        { error: 'auto, a multiaddr, or a list of multiaddrs' },
      )
      .optional()
      .describe(
        'Over which relays the node is to be reached while it cannot be reached directly: auto takes those of the network. Default: none.',
      ),
  },
  { error: 'a mapping with "serve" or "via"' },
)

/** Where a secret is to be found: one of two places. */
function secretReference(what: string) {
  return z
    .strictObject(
      {
        env: text(
          'the name of a variable',
          faultWith('MANIFEST_VALUE_INVALID', (value) =>
            /^[A-Za-z_][A-Za-z0-9_]*$/.test(value) ? undefined : { message: 'cannot name a variable' },
          ),
        )
          .meta({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' })
          .optional()
          .describe(`The environment variable that holds ${what}.`),
        file: text('the path of a file', faultWith('MANIFEST_VALUE_INVALID', pathFault))
          .meta({ pattern: pathPattern.source })
          .optional()
          .describe(`The file that holds ${what}, relative to the manifest. Only its owner may read it.`),
      },
      { error: 'a mapping with "env" or "file"' },
    )
    .refine(({ env, file }) => (env === undefined) !== (file === undefined), {
      params: { code: 'MANIFEST_VALUE_INVALID', hint: 'give one of "env" and "file"' },
      error: `needs one place to read ${what} from`,
    })
}

const secretSchema = secretReference('the secret')

const discoverySchema = z.strictObject(
  {
    mdns: flag
      .optional()
      .describe('Find nodes on this machine and in the local network by multicast DNS. Default false.'),
    dht: flag
      .optional()
      .describe(
        'Find nodes anywhere by the Mainline DHT, in which public addresses are published. Default false.',
      ),
    remember: flag
      .optional()
      .describe('Remember peers from one run to the next. Needs data. Default: true where there is data.'),
    maxRttMs: z
      .number({ error: 'a number of milliseconds' })
      .positive({ error: 'a number of milliseconds greater than 0' })
      .optional()
      .describe('Peers with a longer round trip are not chosen. Milliseconds; default: no limit.'),
  },
  { error: 'a mapping with "mdns", "dht", "remember" or "maxRttMs"' },
)

const votersMax = 99
const duration = text('a duration such as 30s', faultWith('MANIFEST_VALUE_INVALID', durationFault)).meta({
  pattern: durationPattern.source,
})

export const groupSchema = z
  .strictObject(
    {
      voters: z
        .int({ error: `a whole number from 1 to ${votersMax}` })
        .min(1, { error: `a whole number from 1 to ${votersMax}` })
        .max(votersMax, { error: `a whole number from 1 to ${votersMax}` })
        .optional()
        .describe(
          'How many members vote at most; an odd number. The others follow, and take the place of one that is gone. Default 5.',
        )
        .meta({ default: 5 }),
      storage: z
        .enum(['lmdb', 'memory'], { error: 'lmdb or memory' })
        .optional()
        .describe(
          'Where members keep the group: lmdb in the folder of data, on disk before anything is acknowledged, or memory. Default: lmdb where there is data.',
        ),
      evictAfter: duration
        .optional()
        .describe('How long a voter may be unreachable before another takes its place. Default 30s.')
        .meta({ default: '30s' }),
      key: secretReference('the key of the group')
        .optional()
        .describe(
          'Where the key of the group is read from, 64 hexadecimal characters. Default: it is made of the secret of the network and the name of the group.',
        ),
      passphrase: secretReference('the passphrase')
        .optional()
        .describe('Where a passphrase is read from that the key is made of, instead of key.'),
    },
    { error: 'a mapping with "voters" and other keys' },
  )
  .refine(({ key, passphrase }) => key === undefined || passphrase === undefined, {
    params: { code: 'MANIFEST_VALUE_INVALID', hint: 'give one of "key" and "passphrase"' },
    error: 'has two keys',
  })
  .describe('What is said of one group, instead of what its services say.')

export const nodeSchema = z
  .strictObject(
    {
      use: z
        .union(
          [
            usePath,
            z.array(usePath, { error: 'a list of paths' }).min(1, { error: 'a list of at least one path' }),
          ],
          { error: 'the path of a file, or a list of paths' },
        )
        .describe(
          'The file whose @Service() classes the node runs, or a list of such files. Paths begin with ./ or ../ and are relative to the manifest. ./file.ts#Name takes one class of several.',
        )
        .meta({ examples: ['./sensor.ts', ['./intake.ts', './audit.ts']] }),
      replicas: z
        .int({ error: `a whole number from 1 to ${replicasMax}` })
        .min(1, { error: `a whole number from 1 to ${replicasMax}` })
        .max(replicasMax, { error: `a whole number from 1 to ${replicasMax}` })
        .optional()
        .describe(
          'How many nodes of this kind run, numbered from 0. They differ in identity only. Default 1.',
        )
        .meta({ default: 1 }),
      tags: z
        .array(text(anyText, label('be a tag')).meta({ minLength: 1, maxLength: 128 }), {
          error: 'a list of tags',
        })
        .optional()
        .describe('Labels that each replica announces of itself, besides those of its services.'),
      config: z
        .record(z.string(), z.unknown(), { error: 'a mapping' })
        .optional()
        .describe(
          'What the @Config(schema) members of the services are read from. Each schema decides what it needs.',
        ),
      listen: z
        .union(
          [
            z
              .int({ error: `a port from 1 to ${portMax}` })
              .min(1, { error: `a port from 1 to ${portMax}` })
              .max(portMax, { error: `a port from 1 to ${portMax}` }),
            text(anyText, address(portsOrMultiaddrFault)).meta({
              pattern: `${portRangePattern.source}|${multiaddrPattern.source}`,
            }),
            z
              .array(multiaddr, { error: 'a list of multiaddrs' })
              .min(1, { error: 'a list of at least one multiaddr' }),
          ],
          { error: 'a port, a range of ports such as 4001-4003, a multiaddr, or a list of multiaddrs' },
        )
        .optional()
        .describe(
          'Where the node listens: a port, a range with a port for each replica (4001-4003), a multiaddr, or a list of multiaddrs. Default: any free port of the host.',
        )
        .meta({ examples: [4001, '4001-4003', '/ip4/0.0.0.0/udp/4001/quic-v1'] }),
      labels: z
        .record(
          text(anyText, label('be the key of a label')).meta({ minLength: 1, maxLength: 128 }),
          text(anyText, label('be the value of a label')).meta({ minLength: 1, maxLength: 128 }),
          { error: 'a mapping from keys to texts' },
        )
        .optional()
        .describe('What else each replica announces of itself, by key. region and zone say where it is.')
        .meta({ examples: [{ region: 'eu', zone: 'eu-1' }] }),
      relay: relaySchema
        .optional()
        .describe("What this node has to do with relays, instead of the network's relay."),
    },
    { error: 'a mapping with "use" and other keys' },
  )
  .describe('One kind of node.')

/** A manifest as it is written, after references have been filled in. */
export const manifestSchema = z
  .strictObject(
    {
      mosaik: z
        .literal(manifestVersion, { error: `${manifestVersion}` })
        .describe('The version of the manifest format: 1.'),
      network: text(anyText, label('name a network'))
        .describe(
          'The name of the network. Nodes find each other only within one network; whoever shares the name shares the network.',
        )
        .meta({ minLength: 1, maxLength: 128 }),
      listen: text('an IP address such as 127.0.0.1', address(hostFault))
        .optional()
        .describe(
          'The IP address that nodes listen on when they do not say: 0.0.0.0 for every interface. Default 127.0.0.1.',
        )
        .meta({ default: '127.0.0.1' }),
      seeds: z
        .array(
          text('a multiaddr such as /ip4/127.0.0.1/udp/4001/quic-v1', address(seedFault)).meta({
            pattern: `${peerIdPattern.source}|${multiaddrPattern.source}`,
          }),
          { error: 'a list of multiaddrs' },
        )
        .optional()
        .describe(
          'Peers to contact first, besides the nodes declared here: multiaddrs, or peer ids whose addresses are found by other means.',
        )
        .meta({ examples: [['/ip4/10.0.0.5/udp/4001/quic-v1']] }),
      secret: secretSchema
        .optional()
        .describe(
          'Where the secret of a closed network is read from; the secret itself does not belong into a manifest. Default: an open network.',
        )
        .meta({ examples: [{ env: 'TELEMETRY_SECRET' }, { file: './telemetry.secret' }] }),
      data: text('the path of a folder', faultWith('MANIFEST_VALUE_INVALID', pathFault))
        .meta({ pattern: pathPattern.source })
        .optional()
        .describe(
          'A folder, relative to the manifest, in which each replica keeps its identity and the peers it met. Default: nothing is kept.',
        ),
      discovery: discoverySchema.optional().describe('How nodes find each other, besides seeds.'),
      relay: relaySchema
        .optional()
        .describe('What nodes have to do with relays, unless they say so themselves.'),
      groups: z
        .record(text(anyText, label('name a group')).meta({ minLength: 1, maxLength: 128 }), groupSchema, {
          error: 'a mapping from names to groups',
        })
        .optional()
        .describe('What is said of groups, each under its name, instead of what services say of them.')
        .meta({ examples: [{ book: { voters: 3, storage: 'lmdb' } }] }),
      nodes: z
        .record(
          text(anyText, nodeNameFault).meta({ pattern: '^[a-z][a-z0-9]*(-[a-z0-9]+)*$', maxLength: 63 }),
          nodeSchema,
          {
            error: 'a mapping from names to nodes',
          },
        )
        .refine((nodes) => Object.keys(nodes).length > 0, {
          params: { code: 'MANIFEST_VALUE_INVALID', hint: 'declare at least one node' },
          error: 'declares nothing',
        })
        .describe(`The kinds of nodes, each under its name: ${nodeNameRule}.`)
        .meta({ minProperties: 1 }),
    },
    { error: 'a mapping' },
  )
  .describe('A mosaik network: which nodes there are and which services they run.')

export type ManifestText = z.output<typeof manifestSchema>

const parts: Readonly<Record<string, { readonly shape: object }>> = {
  secret: secretSchema,
  discovery: discoverySchema,
  relay: relaySchema,
  key: secretSchema,
  passphrase: secretSchema,
}

/** What stands under names. */
const kinds: Readonly<Record<string, { readonly shape: object }>> = { nodes: nodeSchema, groups: groupSchema }

/** The keys that a mapping of the manifest may have, by the path of the mapping. */
export function knownKeys(path: readonly (string | number)[]): readonly string[] {
  const kind = path.length >= 2 ? kinds[String(path[0])] : undefined
  const [key, ...rest] = kind === undefined ? path : path.slice(2)
  if (key === undefined) return Object.keys((kind ?? manifestSchema).shape)
  const part = rest.length === 0 ? parts[key] : undefined
  return part === undefined ? [] : Object.keys(part.shape)
}

// The manifest format: what `parse.ts` judges by, and what the JSON Schema for editors is generated from.
import { isLabel, isNodeName, labelRule, nodeNameFrom, nodeNameRule } from '#framework/topology'
import { z } from 'zod'
import {
  type AddressFault,
  hostFault,
  multiaddrFault,
  multiaddrPattern,
  portMax,
  portRangePattern,
  portsOrMultiaddrFault,
} from './addresses.js'
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

const usePath = text(
  'the path of a file, or a list of paths',
  faultWith('MANIFEST_VALUE_INVALID', useFault),
).meta({ pattern: '^(\\.{1,2})?/' })

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
        .array(multiaddr, { error: 'a list of multiaddrs' })
        .optional()
        .describe('Multiaddrs of peers to contact first, besides the nodes declared here.')
        .meta({ examples: [['/ip4/10.0.0.5/udp/4001/quic-v1']] }),
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

/** The keys that a mapping of the manifest may have, by the path of the mapping. */
export function knownKeys(path: readonly (string | number)[]): readonly string[] {
  if (path.length === 0) return Object.keys(manifestSchema.shape)
  return path.length === 2 && path[0] === 'nodes' ? Object.keys(nodeSchema.shape) : []
}

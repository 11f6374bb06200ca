import { isIP } from 'node:net'
import { AUTHORITATIVE_ANSWER, decode, encode, type Answer, type DecodedPacket } from 'dns-packet'
import { derive, peerIdFromHex, type NetworkId, type PeerId } from '#framework/primitives'

/** The service type of DNS-SD (RFC 6763 §7), the same for every network. */
const SERVICE = '_mosaik._udp.local'

/** What every message about the service contains, since at least its first name is not compressed. */
const SERVICE_LABEL = Buffer.from('\x07_mosaik', 'latin1')

/** The version of the TXT record's content (`txtvers` of RFC 6763 §6.7). */
const TXT_VERSION = '1'

/** How long others remember what we say, in seconds: what RFC 6762 §10 recommends for what depends on addresses. */
const TTL_SECONDS = 120

/** The longest time that a sighting may claim to be good for, in seconds (RFC 6762 §10: 75 minutes). */
const TTL_SECONDS_MAX = 4_500

/** The largest message that we read (RFC 6762 §17 allows 9 000; nothing of ours comes near). */
export const MDNS_READ_BYTES_MAX = 4_096

/**
 * The most records and questions that a message may announce in its header. Looked at before anything is decoded: the
 * decoder trusts the header, and can be led around in circles as many times as that says.
 */
const RECORDS_MAX = 64

/** How many addresses of a host are told. With these, a message is far from the size of an Ethernet frame. */
const ADDRESSES_MAX = 8

const HEADER_BYTES = 12

/** Whether this may be a message about hosts of some network: a quick look, for most of what is said by mDNS is not. */
export function isAboutMosaik(bytes: Uint8Array): boolean {
  return bufferOf(bytes).includes(SERVICE_LABEL)
}

/** A host of our network, as it described itself. Not verified: whoever is dialled there shows who it is. */
export interface Sighting {
  readonly peer: PeerId
  /** Multiaddrs without the peer. None when the host says goodbye. */
  readonly addresses: readonly string[]
  /** For how long this is good, in seconds. 0: the host says goodbye. */
  readonly ttlSeconds: number
}

/**
 * What a message says to us. `own` is what we said ourselves; `unrelated` is about other services, other networks, or
 * later versions; `malformed` pretends to be about us and is not well-formed.
 */
export type MdnsMessage =
  | { readonly kind: 'query' | 'own' | 'unrelated' | 'malformed' }
  | { readonly kind: 'announcement'; readonly sightings: readonly Sighting[] }

/** A message to announce a host with. */
export interface Announcement {
  readonly bytes: Uint8Array
  /** How many of the addresses had no room. */
  readonly omittedCount: number
}

/**
 * The DNS messages (RFC 6762, RFC 6763) by which hosts of one network find each other. Pure.
 *
 * A host is an instance `<network>-<peer>._mosaik._udp.local`, with a TXT record that holds `txtvers=1`, the peer id as
 * `peer=`, and its multiaddrs as `a0=`, `a1=`, … up to `a7=`. A query asks for the subtype
 * `_<network>._sub._mosaik._udp.local`. The network appears as 16 hexadecimal characters derived from its id, which lead
 * back neither to the id nor to the name. Ports are part of the multiaddrs and there are several, so that there is no SRV
 * record.
 */
export class MdnsRecords {
  readonly #network: string
  readonly #peer: PeerId
  readonly #subtype: string
  readonly #instance: string

  constructor(network: NetworkId, peer: PeerId) {
    this.#network = derive(network, 'mosaik.mdns').slice(0, 16)
    this.#peer = peer
    this.#subtype = `_${this.#network}._sub.${SERVICE}`
    this.#instance = this.#instanceOf(peer)
  }

  /** Asks who is there. We name ourselves as the answer we know already, and recognise our own question by that. */
  query(): Uint8Array {
    return encode({
      type: 'query',
      questions: [{ type: 'PTR', name: this.#subtype }],
      answers: [{ type: 'PTR', name: this.#subtype, ttl: TTL_SECONDS, data: this.#instance }],
    })
  }

  /** Says where we are. @param addresses Multiaddrs without the peer, the best first. */
  announcement(addresses: readonly string[]): Announcement {
    const told = addresses.filter(isReadable).slice(0, ADDRESSES_MAX)
    return { bytes: this.#response(told, TTL_SECONDS), omittedCount: addresses.length - told.length }
  }

  /** Says that we are going (RFC 6762 §10.1). */
  goodbye(): Uint8Array {
    return this.#response([], 0)
  }

  /** Reads a message, whatever it is. */
  read(bytes: Uint8Array): MdnsMessage {
    if (!isAboutMosaik(bytes)) return { kind: 'unrelated' }
    const message = decoded(bufferOf(bytes))
    if (!message) return { kind: 'malformed' }
    return message.type === 'query' ? this.#readQuery(message) : this.#readResponse(message)
  }

  #readQuery({ questions = [], answers = [] }: DecodedPacket): MdnsMessage {
    const isAsked = questions.some(
      ({ type, name }) => type === 'PTR' && [this.#subtype, SERVICE].includes(name.toLowerCase()),
    )
    if (!isAsked) return { kind: 'unrelated' }
    const isKnown = answers.some((answer) => answer.type === 'PTR' && answer.data === this.#instance)
    return { kind: isKnown ? 'own' : 'query' }
  }

  #readResponse({ answers = [], additionals = [] }: DecodedPacket): MdnsMessage {
    const sightings: Sighting[] = []
    let kind: 'own' | 'unrelated' | 'malformed' = 'unrelated'
    for (const answer of [...answers, ...additionals]) {
      if (answer.type !== 'TXT' || !answer.name.toLowerCase().startsWith(`${this.#network}-`)) continue
      const sighting = this.#readTxt(answer)
      if (typeof sighting === 'string') kind = sighting
      else if (sighting.peer === this.#peer) kind = 'own'
      else sightings.push(sighting)
    }
    return sightings.length > 0 ? { kind: 'announcement', sightings } : { kind }
  }

  #readTxt({ name, data, ttl = 0 }: TxtAnswer): Sighting | 'unrelated' | 'malformed' {
    const values = readPairs(data)
    if (values.get('txtvers') !== TXT_VERSION) return 'unrelated'
    const peer = readPeer(values.get('peer'))
    if (peer === undefined || name.toLowerCase() !== this.#instanceOf(peer)) return 'malformed'
    const ttlSeconds = Math.min(ttl, TTL_SECONDS_MAX)
    if (ttlSeconds === 0) return { peer, addresses: [], ttlSeconds }
    const addresses = Array.from({ length: ADDRESSES_MAX }, (_, index) => values.get(`a${index}`))
      .filter((address) => address !== undefined)
      .filter(isReadable)
    return { peer, addresses, ttlSeconds }
  }

  #response(addresses: readonly string[], ttl: number): Uint8Array {
    const data = [
      `txtvers=${TXT_VERSION}`,
      `peer=${this.#peer}`,
      ...addresses.map((address, index) => `a${index}=${address}`),
    ]
    return encode({
      type: 'response',
      flags: AUTHORITATIVE_ANSWER,
      answers: [
        { type: 'PTR', name: this.#subtype, ttl, data: this.#instance },
        { type: 'PTR', name: SERVICE, ttl, data: this.#instance },
        // The only record of its name: it replaces what others remember instead of adding to it (RFC 6762 §10.2).
        { type: 'TXT', name: this.#instance, ttl, data, flush: true },
      ],
    })
  }

  #instanceOf(peer: PeerId): string {
    return `${this.#network}-${peer.slice(0, 16)}.${SERVICE}`
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

type TxtAnswer = Extract<Answer, { type: 'TXT' }>

/** The message, unless it is none. */
function decoded(buffer: Buffer): DecodedPacket | undefined {
  if (buffer.length < HEADER_BYTES || buffer.length > MDNS_READ_BYTES_MAX) return undefined
  const counts = [4, 6, 8, 10].map((offset) => buffer.readUInt16BE(offset))
  if (counts.reduce((sum, count) => sum + count, 0) > RECORDS_MAX) return undefined
  try {
    return decode(buffer)
  } catch {
    return undefined
  }
}

/** The `key=value` strings of a TXT record. Of a repeated key the first counts (RFC 6763 §6.4). */
function readPairs(data: TxtAnswer['data']): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  for (const item of [data].flat()) {
    const text = typeof item === 'string' ? item : item.toString('utf8')
    const at = text.indexOf('=')
    const key = text.slice(0, at).toLowerCase()
    if (at > 0 && !pairs.has(key)) pairs.set(key, text.slice(at + 1))
  }
  return pairs
}

function readPeer(hex: string | undefined): PeerId | undefined {
  try {
    return hex === undefined ? undefined : peerIdFromHex(hex)
  } catch {
    return undefined
  }
}

const ADDRESS = /^\/ip([46])\/([0-9a-f.:]{2,45})\/(?:udp\/(\d{1,5})\/quic-v1|tcp\/(\d{1,5}))$/

/** Whether this is an address of the kinds that can be on a link: of an IP address, by QUIC or by TCP. */
function isReadable(address: string): boolean {
  const [, family, ip = '', udpPort, tcpPort] = ADDRESS.exec(address) ?? []
  const port = Number(udpPort ?? tcpPort)
  return isIP(ip) === Number(family) && port > 0 && port <= 65_535
}

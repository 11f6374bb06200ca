import type { Bond } from '../bond/bond.js'
import type { Lane } from '../bond/lanes.js'
import type { Mesh } from '../bond/mesh.js'
import type { Member } from '../member/member.js'
import type { MemberId, Message } from '../raft/index.js'
import { peerIdOf } from '../raft/member-id.js'
import type { SyncPort } from '../sync/sync-port.js'
import { BUNDLE, CONSENSUS, controlMessage, MERGE, NOTE } from '../wire/control.js'
import { decodeForward } from '../wire/forward-wire.js'
import { MalformedMessageError } from '../wire/message-bytes.js'
import { decodeNote, type Note } from '../wire/notes.js'
import { decodeMessage, encodeMessage } from '../wire/raft-wire.js'
import type { Bundles } from './bundles.js'
import type { HeldAppends } from './held-appends.js'
import type { Forwarding } from './forwarding.js'
import type { LeaderRequests } from './leader-requests.js'
import type { Quiescing } from './quiescing.js'

export interface BondTrafficOptions {
  readonly mesh: Mesh
  readonly bundles: Bundles
  readonly heldAppends: Pick<HeldAppends<Bond>, 'pass'>
  /** Undefined while there is none. */
  readonly member: () => Member | undefined
  /** Who the member is, or was. */
  readonly memberId: () => MemberId
  readonly forwarding: Pick<Forwarding, 'onAnswer'>
  readonly requests: Pick<LeaderRequests, 'onRequest'>
  readonly quiescing: () => Pick<Quiescing, 'resume' | 'wake'>
  readonly onNote: (bond: Bond, note: Note) => void
  /** What the leader of another cluster says. @throws MalformedMessageError */
  readonly onMerge: (message: Uint8Array) => void
  /** While it returns a promise that is pending, nothing more is read from that lane. */
  readonly onSync: (from: MemberId, message: Uint8Array) => void | Promise<void>
}

/** What members of a group send each other: which lane it takes, and who it is for when it arrives. */
export class BondTraffic {
  readonly #options: BondTrafficOptions
  /** The way of what catching up has to say. */
  readonly sync: SyncPort

  constructor(options: BondTrafficOptions) {
    this.#options = options
    const { mesh } = options
    this.sync = {
      send: (to, message) => {
        const bond = mesh.get(peerIdOf(to))
        return bond?.member === to ? bond.send('sync', message) : 'closed'
      },
      members: () => [...mesh].map((bond) => bond.member),
    }
  }

  /** @throws MalformedMessageError */
  onMessage(bond: Bond, lane: Lane, message: Uint8Array): void | Promise<void> {
    const { quiescing, onSync } = this.#options
    switch (lane) {
      case 'control':
        return this.#onControl(bond, message)
      case 'bulk':
        return this.step(bond, message)
      case 'forward':
        quiescing().resume()
        return this.#onForward(bond, message)
      case 'sync':
        quiescing().resume()
        return onSync(bond.member, message)
    }
  }

  /** Consensus has something to say to the member. @throws MalformedMessageError */
  step(bond: Bond, bytes: Uint8Array): void {
    const { quiescing, member, memberId } = this.#options
    quiescing().resume()
    const message = decodeMessage(bytes, { from: bond.member, to: memberId() })
    member()?.step(message)
  }

  /** Consensus has something to say to another member. */
  send(message: Message): void {
    const { mesh, heldAppends, bundles } = this.#options
    const bond = mesh.get(peerIdOf(message.to))
    // Another incarnation knows nothing of what is said to this one.
    if (bond?.member !== message.to) return
    // Entries, and what is said of them: a word that they are committed must not arrive before they do. Losing any of it is
    // harmless: what is busy now is tried again with the next heartbeat.
    if (message.type === 'append' && (message.answer === 'when-durable' || message.answer === 'none'))
      return heldAppends.pass(bond, message)
    const bytes = encodeMessage(message)
    if (message.type === 'append' || message.type === 'append-answer') bundles.send(bond, bytes)
    else bond.send('control', controlMessage(CONSENSUS, bytes))
  }

  #onControl(bond: Bond, message: Uint8Array): void {
    const { bundles, quiescing, onNote, onMerge } = this.#options
    const content = message.subarray(1)
    switch (message[0]) {
      case CONSENSUS:
        return this.step(bond, content)
      case BUNDLE:
        return bundles.receive(bond, content)
      case NOTE: {
        const note = decodeNote(content)
        quiescing().wake()
        return onNote(bond, note)
      }
      case MERGE:
        quiescing().wake()
        return onMerge(content)
      default:
        throw new MalformedMessageError('there is no such kind of messages')
    }
  }

  #onForward(bond: Bond, bytes: Uint8Array): void {
    const { requests, forwarding } = this.#options
    const message = decodeForward(bytes)
    switch (message.type) {
      case 'submit':
      case 'read':
      case 'transfer':
      case 'read-index':
      case 'term':
        return requests.onRequest(bond, message)
      default:
        forwarding.onAnswer(bond, message)
    }
  }
}

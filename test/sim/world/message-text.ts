import type { Message } from '../../../framework/groups/raft/messages.js'
import type { SimMessage } from '../group/messages.js'

/** A message in one line, for traces. */
export function describeMessage(message: SimMessage): string {
  switch (message.kind) {
    case 'raft':
      return describeRaft(message.message)
    case 'request':
      return `request ${message.sequence}.${message.attempt} ${message.input.kind} ${message.input.key}`
    case 'answer':
      return `answer ${message.sequence}.${message.attempt} ${message.outcome.type}`
    case 'ping':
      return 'ping'
    case 'read-index-question':
    case 'term-question':
      return `${message.kind} ${message.key} of ${message.asker}`
    case 'read-index-answer':
      return `${message.kind} ${message.key} ${message.readIndex && `t${message.readIndex.term} ${message.readIndex.index}`}`
    case 'term-answer':
      return `${message.kind} ${message.key} t${message.term}`
    case 'snapshot-request':
      return `snapshot-request above ${message.aboveIndex}`
    case 'snapshot-answer':
      return `snapshot-answer at ${message.snapshot.facts.index}`
  }
}

export function describeRaft(message: Message): string {
  const head = `${message.type} t${message.term}`
  switch (message.type) {
    case 'pre-vote-request':
    case 'vote-request':
      return `${head} last ${message.lastIndex}/t${message.lastTerm}`
    case 'pre-vote-answer':
    case 'vote-answer':
      return `${head} ${message.granted ? 'granted' : 'denied'}`
    case 'append': {
      const { prevIndex, prevTerm, entries, commitIndex, round, answer } = message
      const wish = answer === 'quiesce' ? ' quiesce' : ''
      return `${head} prev ${prevIndex}/t${prevTerm} +${entries.length} commit ${commitIndex} round ${round}${wish}`
    }
    case 'append-answer': {
      const { accepted, matchIndex, rejectedIndex, lastIndex, round } = message
      const verdict = accepted ? `match ${matchIndex}` : `rejects ${rejectedIndex}`
      return `${head} ${verdict} last ${lastIndex} round ${round}`
    }
    case 'sync-required':
      return `${head} first ${message.firstIndex} commit ${message.commitIndex}`
    case 'timeout-now':
      return head
  }
}

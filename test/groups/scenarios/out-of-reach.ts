import { TestIssuer } from '../../streams/tickets.js'
import type { GroupNode } from '../group/nodes.js'

const issuer = new TestIssuer('one')

/** What a group demands whose nodes are to be taken out of reach. */
export const { validator } = issuer

/** Takes a node out of reach of all others in the group: it loses its bonds, and gets none as long as this lasts. */
export function cutOff({ discovery }: GroupNode): void {
  discovery.removeTicketsOf(validator.class)
}

export function letIn({ discovery, peerId }: GroupNode): void {
  discovery.addTicket(issuer.issue(peerId, 'never'))
}

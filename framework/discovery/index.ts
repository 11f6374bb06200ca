export { seeds, type BootstrapSource } from './bootstrap.js'
export type { Catalog } from './catalog.js'
export type { DiscoveryConditions } from './conditions.js'
export { dht } from './dht/dht.js'
export type { DhtOptions, DhtSettings } from './dht/dht-options.js'
export { surveyDht, type DhtSlot, type DhtSurvey, type DhtSurveyOptions } from './dht/slot-survey.js'
export type { AddressScope } from './dht/address-scope.js'
export type { CandidateStatus } from './dial-plan.js'
export { Discovery, type OwnEntryChange } from './discovery.js'
export type { EntryVersion, PeerEntry, StreamOffer } from './entry.js'
export type { DiscoveryEvent, Via } from './events.js'
export { ExpiryAlarm } from './expiry-alarm.js'
export { Introductions } from './introductions.js'
export { mdns, type MdnsOptions } from './mdns.js'
export type { DiscoveryOptions, DiscoverySettings } from './options.js'
export { peerInfoOf, type PeerInfo } from './peer-info.js'
export {
  nearest,
  prefer,
  type Hysteresis,
  type Preference,
  type PreferenceOptions,
  type PreferenceWeights,
} from './ranking/preference.js'
export type { Candidates, RankOptions } from './ranking/rank.js'
export type { Ranking, RankingConditions, RankingOptions } from './ranking/ranking.js'
export type { Exclusion, LatencyBasis, RankedPeer, RankingResult, Reason } from './ranking/result.js'
export { remembered, type RememberedOptions } from './remembered.js'
export { RecordError } from './signed-record.js'
export {
  compareExpirations,
  isExpired,
  remainingMs,
  ticketIdOf,
  ticketsOf,
  validateTicket,
  validateTickets,
  type Expiration,
  type Ticket,
  type TicketValidator,
} from './tickets.js'

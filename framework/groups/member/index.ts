export { ReplicatedMachine } from '../machine/replicated-machine.js'
export { encodeSessionOpening, encodeSubmission } from '../machine/submission.js'
export { Member } from './member.js'

import { MosaikError, messageOf } from '#framework/primitives'

/** A service failed while it ran, and its node with it. Code `SERVICE_FAILED`; `cause` is what the service threw. */
export class ServiceError extends MosaikError {
  /** Name of the service. */
  readonly service: string

  constructor(service: string, cause: unknown) {
    super('SERVICE_FAILED', `service ${service} failed: ${messageOf(cause)}`, { cause, details: { service } })
    this.service = service
  }
}

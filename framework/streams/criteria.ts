/**
 * Which datums a consumer wants: for each field named, a value that it must equal, or bounds that it must keep to. All of
 * them must hold.
 */
export type Criteria<T = unknown> = T extends object ? { readonly [K in keyof T]?: unknown } : never

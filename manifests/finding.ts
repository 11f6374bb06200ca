import type { Span } from './source.js'
import type { Path } from './yaml-tree.js'

/** What can be wrong with a manifest by itself. The codes are stable: scripts and editors may rely on them. */
export type ManifestCode =
  /** The file is larger than 1 MiB. */
  | 'MANIFEST_TOO_LARGE'
  /** Nested deeper than 64 levels, or of more parts than any manifest needs, aliases followed. */
  | 'MANIFEST_TOO_COMPLEX'
  /** There is nothing in the file but white space and comments. */
  | 'MANIFEST_EMPTY'
  /** The text is no YAML 1.2, or uses its tags and directives, which manifests do without. */
  | 'MANIFEST_SYNTAX'
  /** The file holds several YAML documents. */
  | 'MANIFEST_MULTIPLE_DOCUMENTS'
  /** An alias names no anchor above it, or the anchor that it is part of. */
  | 'MANIFEST_ALIAS_INVALID'
  /** `<<` merges something that is neither a mapping nor a list of mappings. */
  | 'MANIFEST_MERGE_INVALID'
  | 'MANIFEST_DUPLICATE_KEY'
  /** `mosaik:` names a version of the format that this mosaik does not read. */
  | 'MANIFEST_VERSION'
  | 'MANIFEST_UNKNOWN_KEY'
  | 'MANIFEST_MISSING_KEY'
  | 'MANIFEST_WRONG_TYPE'
  /** A number out of range, an empty list, a path of the wrong form. */
  | 'MANIFEST_VALUE_INVALID'
  /** Something that cannot name a network, a node or a group, or be a tag. */
  | 'MANIFEST_NAME_INVALID'
  /** Something that is no multiaddr, host or port. */
  | 'MANIFEST_ADDRESS_INVALID'
  /** The secret itself, or the key of a group, stands in the manifest, where everybody who reads the file reads it. */
  | 'MANIFEST_SECRET_LITERAL'
  /** The replicas of a node would listen on the same port. */
  | 'MANIFEST_LISTEN_CONFLICT'
  /** A `${NAME}` without a default names a variable that is not set. */
  | 'MANIFEST_ENV_UNSET'
  /** A `${` that begins no reference. */
  | 'MANIFEST_ENV_MALFORMED'
  /** A file of services is not there. */
  | 'MANIFEST_USE_NOT_FOUND'
  /** A node uses the same file twice. */
  | 'MANIFEST_USE_DUPLICATE'

/** Something wrong at a place of the text. All of these are errors: a manifest either says something or does not. */
export interface Finding {
  readonly code: ManifestCode
  readonly message: string
  /** What would most likely mend it. */
  readonly hint?: string
  readonly span: Span
  /** Where in the manifest, as far as it can be told. */
  readonly path?: Path
}

// Every code, with all that is printed for it.
import { describe, expect, test } from '@jest/globals'
import type { ManifestCode } from '#manifests'
import { type Given, head, minimal, parse, rendered } from './support.js'

interface Case {
  readonly given: string
  readonly text: string
  readonly with?: Given
  readonly printed: string
}

/** The type makes sure that no code is without an example. */
const cases: Readonly<Record<ManifestCode, readonly Case[]>> = {
  MANIFEST_SECRET_LITERAL: [
    {
      given: 'a secret that stands in the manifest: nothing of it is repeated',
      text: `${minimal}secret: hunter2hunter2hunter2\n`,
      printed: `
/project/orders.yaml:5:1  MANIFEST_SECRET_LITERAL  the secret stands in the manifest, and it belongs into a variable or a file
    5 | secret: •••••••••••••••••••••
      | ^^^^^^ write "secret: { env: NAME }" or "secret: { file: ./<file> }"
`,
    },
    {
      given: 'a secret that comes in by a reference, and other mistakes in its line',
      text: `{ mosaik: 1, network: orders, nodes: { a: { use: a.ts } }, secret: "\${ORDERS_SECRET}" }\n`,
      with: { env: { ORDERS_SECRET: 'hunter2hunter2hunter2' } },
      printed: `
/project/orders.yaml:1:50  MANIFEST_VALUE_INVALID  node "a": use "a.ts" is no path of a file
    1 | { mosaik: 1, network: orders, nodes: { a: { use: a.ts } }, secret: •••••••••••••••••• }
      |                                                  ^^^^ did you mean "./a.ts"?

/project/orders.yaml:1:60  MANIFEST_SECRET_LITERAL  the secret stands in the manifest, and it belongs into a variable or a file
    1 | { mosaik: 1, network: orders, nodes: { a: { use: a.ts } }, secret: •••••••••••••••••• }
      |                                                            ^^^^^^
      | write "secret: { env: ORDERS_SECRET }" or "secret: { file: ./<file> }"
`,
    },
  ],

  MANIFEST_TOO_LARGE: [
    {
      given: 'a file of more than 1 MiB',
      text: `# ${'é'.repeat(524_288)}\n${minimal}`,
      printed: `
/project/orders.yaml:1:1  MANIFEST_TOO_LARGE  the manifest is larger than 1 MiB
    1 | # ${'é'.repeat(96)}…
      | ^ is this the right file?
`,
    },
  ],

  MANIFEST_TOO_COMPLEX: [
    {
      given: 'brackets in brackets in brackets',
      text: 'a: ' + '['.repeat(100_000),
      printed: `
/project/orders.yaml:1:67  MANIFEST_TOO_COMPLEX  the manifest is nested deeper than 64 levels
    1 | a: ${'['.repeat(95)}…
      | ${' '.repeat(66)}^
`,
    },
    {
      given: 'more commas than any manifest has',
      text: `[${','.repeat(300_000)}]`,
      printed: `
/project/orders.yaml:1:250000  MANIFEST_TOO_COMPLEX  the manifest has more than 250000 parts
    1 | …${','.repeat(98)}…
      | ${' '.repeat(25)}^
`,
    },
    {
      given: 'aliases that unfold to millions of values',
      text: `${head}  trader:
    use: ./trader.ts
    config:
      a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]
      b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
      c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
      d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
      e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
      f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
`,
      printed: `
/project/orders.yaml:11:13  MANIFEST_TOO_COMPLEX  with its aliases followed, this has more than 100000 values
   11 |       e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
      |             ^
`,
    },
  ],

  MANIFEST_EMPTY: [
    {
      given: 'an empty file',
      text: '',
      printed: `
/project/orders.yaml:1:1  MANIFEST_EMPTY  there is nothing in this manifest
    1 |
      | ^ begin with "mosaik: 1", "network: <name>" and "nodes:"
`,
    },
    {
      given: 'a file of comments',
      text: '# to do\n---\n# to do\n',
      printed: `
/project/orders.yaml:1:1  MANIFEST_EMPTY  there is nothing in this manifest
    1 | # to do
      | ^ begin with "mosaik: 1", "network: <name>" and "nodes:"
`,
    },
  ],

  MANIFEST_SYNTAX: [
    {
      given: 'a bracket that is never closed, which swallows what follows',
      text: `${head}  trader: { use: ./trader.ts\n  matcher: { use: ./matcher.ts }\n`,
      printed: `
/project/orders.yaml:4:11  MANIFEST_SYNTAX  this { is never closed
    4 |   trader: { use: ./trader.ts
      |           ^
`,
    },
    {
      given: 'a quote that is never closed, and a mistake before it',
      text: 'mosaik 1\nnetwork: "it\\"s\nnodes:\n',
      printed: `
/project/orders.yaml:1:1  MANIFEST_SYNTAX  this line is no "key: value"
    1 | mosaik 1
      | ^^^^^^^^ is a ":" missing?

/project/orders.yaml:2:10  MANIFEST_SYNTAX  this " is never closed
    2 | network: "it\\"s
      |          ^
`,
    },
    {
      given: 'the wrong bracket at the end',
      text: 'seeds: [a}\n',
      printed: `
/project/orders.yaml:1:10  MANIFEST_SYNTAX  a "]" is missing here
    1 | seeds: [a}
      |          ^
`,
    },
    {
      given: 'no space after the colon',
      text: `${head}  trader:\n    use: ./trader.ts\n    replicas:2\n`,
      printed: `
/project/orders.yaml:6:5  MANIFEST_SYNTAX  this line is no "key: value"
    6 |     replicas:2
      |     ^^^^^^^^^^ put a space after the ":"
`,
    },
    {
      given: 'a key that begins in a column of its own',
      text: `${head}  trader:\n    use: ./trader.ts\n   replicas: 2\n`,
      printed: `
/project/orders.yaml:6:4  MANIFEST_SYNTAX  this line is indented differently from those around it
    6 |    replicas: 2
      |    ^ keys of one mapping, and items of one list, begin in the same column
`,
    },
    {
      given: 'a key that is indented below a value',
      text: 'mosaik: 1\n  network: orders\n',
      printed: `
/project/orders.yaml:1:9  MANIFEST_SYNTAX  the next line is indented as if it were a part of this value
    1 | mosaik: 1
      |         ^ keys of one mapping begin in the same column
`,
    },
    {
      given: 'a tab as indentation',
      text: 'nodes:\n\ttrader: 1\n',
      printed: `
/project/orders.yaml:2:1  MANIFEST_SYNTAX  this line is indented with a tab
    2 |     trader: 1
      | ^^^^ YAML is indented with spaces
`,
    },
    {
      given: 'a value with a colon, and one with a reserved character',
      text: 'network: orders: eu\nlisten: @all\n',
      printed: `
/project/orders.yaml:1:10  MANIFEST_SYNTAX  this value has a ":" in it, as if it were a mapping
    1 | network: orders: eu
      |          ^ put the value in quotes

/project/orders.yaml:2:9  MANIFEST_SYNTAX  a value cannot begin with this character
    2 | listen: @all
      |         ^ put the value in quotes
`,
    },
    {
      given: 'a tag',
      text: 'network: !!binary b3JkZXJz\n',
      printed: `
/project/orders.yaml:1:10  MANIFEST_SYNTAX  manifests have no tags such as this one
    1 | network: !!binary b3JkZXJz
      |          ^^^^^^^^ remove it
`,
    },
    {
      given: 'an unknown directive',
      text: `%MOSAIK 1\n---\n${minimal}`,
      printed: `
/project/orders.yaml:1:1  MANIFEST_SYNTAX  unknown directive %MOSAIK
    1 | %MOSAIK 1
      | ^^^^^^^^^
`,
    },
    {
      given: 'a key that is a list',
      text: '? [a, b]\n: c\n',
      printed: `
/project/orders.yaml:1:3  MANIFEST_SYNTAX  a key must be plain text
    1 | ? [a, b]
      |   ^
`,
    },
    {
      given: 'a missing comma between braces',
      text: `${head}  trader: { use: ./trader.ts replicas: 2 }\n`,
      printed: `
/project/orders.yaml:4:18  MANIFEST_SYNTAX  inside { } and [ ] this is no "key: value"
    4 |   trader: { use: ./trader.ts replicas: 2 }
      |                  ^^^^^^^^^^^^^^^^^^^^^^^ is a "," missing before it, or a quote around it?
`,
    },
    {
      given: 'something that follows where nothing can',
      text: '- a\nb: 1\n',
      printed: `
/project/orders.yaml:2:1  MANIFEST_SYNTAX  this cannot follow what is before it
    2 | b: 1
      | ^
`,
    },
    {
      given: 'a reference without quotes between braces',
      text: `${head}  trader: { use: ./trader.ts, config: { limit: \${LIMIT}, name: "\${NAME}" } }\n`,
      printed: `
/project/orders.yaml:4:48  MANIFEST_SYNTAX  inside { } and [ ] a reference to a variable has to be in quotes
    4 |   trader: { use: ./trader.ts, config: { limit: \${LIMIT}, name: "\${NAME}" } }
      |                                                ^^^^^^^^ write "\${LIMIT}", or give the value a line of its own
`,
    },
  ],

  MANIFEST_MULTIPLE_DOCUMENTS: [
    {
      given: 'two manifests in one file',
      text: `${minimal}# the second\n---\n${minimal}`,
      printed: `
/project/orders.yaml:6:1  MANIFEST_MULTIPLE_DOCUMENTS  a second YAML document begins here, and a manifest is one document
    6 | ---
      | ^^^ put it into a file of its own
`,
    },
  ],

  MANIFEST_ALIAS_INVALID: [
    {
      given: 'an alias without an anchor above it, and one inside its own anchor',
      text: `${head}  trader: { use: ./trader.ts, config: *later }\n  matcher: &later { use: ./matcher.ts, config: { me: *later } }\n`,
      printed: `
/project/orders.yaml:4:39  MANIFEST_ALIAS_INVALID  the alias "*later" has no anchor "&later" above it
    4 |   trader: { use: ./trader.ts, config: *later }
      |                                       ^^^^^^

/project/orders.yaml:5:54  MANIFEST_ALIAS_INVALID  the alias "*later" is part of the anchor "&later" that it stands for
    5 |   matcher: &later { use: ./matcher.ts, config: { me: *later } }
      |                                                      ^^^^^^
`,
    },
  ],

  MANIFEST_MERGE_INVALID: [
    {
      given: 'a merge of something that is no mapping',
      text: `${head}  trader:\n    <<: ./defaults.yaml\n    use: ./trader.ts\n`,
      printed: `
/project/orders.yaml:5:5  MANIFEST_MERGE_INVALID  "<<" merges mappings, and this is none
    5 |     <<: ./defaults.yaml
      |     ^^ name the anchor of a mapping: "<<: *name"
`,
    },
  ],

  MANIFEST_DUPLICATE_KEY: [
    {
      given: 'a key that is there twice',
      text: `${minimal}  trader: { use: ./other.ts }\n`,
      printed: `
/project/orders.yaml:5:3  MANIFEST_DUPLICATE_KEY  the key "trader" is on line 4 already
    5 |   trader: { use: ./other.ts }
      |   ^^^^^^
`,
    },
  ],

  MANIFEST_VERSION: [
    {
      given: 'a later version, of whose keys this mosaik cannot judge',
      text: 'mosaik: 2\ngroups: {}\n',
      printed: `
/project/orders.yaml:1:9  MANIFEST_VERSION  this manifest is written in version 2 of the format, and this mosaik reads version 1
    1 | mosaik: 2
      |         ^ update mosaik
`,
    },
    {
      given: 'a version in quotes',
      text: minimal.replace('1', '"1"'),
      printed: `
/project/orders.yaml:1:9  MANIFEST_VERSION  mosaik must be 1, found "1"
    1 | mosaik: "1"
      |         ^^^ without quotes it is a number: 1
`,
    },
  ],

  MANIFEST_UNKNOWN_KEY: [
    {
      given: 'misspelt keys and invented ones',
      text: `${minimal}      \n  matcher: { use: ./matcher.ts, replica: 2, extends: trader }\nseed: []\n`,
      printed: `
/project/orders.yaml:6:33  MANIFEST_UNKNOWN_KEY  unknown key "replica" in node "matcher"
    6 |   matcher: { use: ./matcher.ts, replica: 2, extends: trader }
      |                                 ^^^^^^^ did you mean "replicas"?

/project/orders.yaml:6:45  MANIFEST_UNKNOWN_KEY  unknown key "extends" in node "matcher"
    6 |   matcher: { use: ./matcher.ts, replica: 2, extends: trader }
      |                                             ^^^^^^^ there are use, replicas, tags, config, listen, labels, relay

/project/orders.yaml:7:1  MANIFEST_UNKNOWN_KEY  unknown key "seed"
    7 | seed: []
      | ^^^^ did you mean "seeds"?
`,
    },
  ],

  MANIFEST_MISSING_KEY: [
    {
      given: 'nothing that a manifest needs',
      text: '# orders\nlisten: 127.0.0.1\n',
      printed: `
/project/orders.yaml:2:1  MANIFEST_MISSING_KEY  the manifest has no "mosaik"
    2 | listen: 127.0.0.1
      | ^ add "mosaik: 1"

/project/orders.yaml:2:1  MANIFEST_MISSING_KEY  the manifest has no "network"
    2 | listen: 127.0.0.1
      | ^ add "network: <name>"

/project/orders.yaml:2:1  MANIFEST_MISSING_KEY  the manifest has no "nodes"
    2 | listen: 127.0.0.1
      | ^ add "nodes: { <name>: { use: ./<file>.ts } }"
`,
    },
    {
      given: 'a node without use',
      text: `${head}  trader:\n    replicas: 2\n`,
      printed: `
/project/orders.yaml:4:3  MANIFEST_MISSING_KEY  node "trader" has no "use"
    4 |   trader:
      |   ^^^^^^ add "use: ./<file>.ts"
`,
    },
  ],

  MANIFEST_WRONG_TYPE: [
    {
      given: 'a list where a mapping belongs',
      text: '- mosaik: 1\n',
      printed: `
/project/orders.yaml:1:1  MANIFEST_WRONG_TYPE  the manifest must be a mapping, found a list
    1 | - mosaik: 1
      | ^
`,
    },
    {
      given: 'values of other types in a node',
      text: `${head}  trader:
    use: 5
    replicas: "2"
    tags: fast
    config: [a]
    listen: true
  matcher:
  console: { use: ./console.ts, tags: [1, { a: b }], config: }
`,
      printed: `
/project/orders.yaml:5:10  MANIFEST_WRONG_TYPE  node "trader": use must be the path of a file, or a list of paths, found 5
    5 |     use: 5
      |          ^

/project/orders.yaml:6:15  MANIFEST_WRONG_TYPE  node "trader": replicas must be a whole number from 1 to 1000, found "2"
    6 |     replicas: "2"
      |               ^^^ without quotes it is a number: 2

/project/orders.yaml:7:11  MANIFEST_WRONG_TYPE  node "trader": tags must be a list of tags, found "fast"
    7 |     tags: fast
      |           ^^^^ a list of one is written [fast]

/project/orders.yaml:8:5  MANIFEST_WRONG_TYPE  node "trader": config must be a mapping, found a list
    8 |     config: [a]
      |     ^^^^^^

/project/orders.yaml:9:13  MANIFEST_WRONG_TYPE  node "trader": listen must be a port, a range of ports such as 4001-4003, a multiaddr, or a list of multiaddrs, found true
    9 |     listen: true
      |             ^^^^

/project/orders.yaml:10:3  MANIFEST_WRONG_TYPE  node "matcher" must be a mapping with "use" and other keys, found nothing
   10 |   matcher:
      |   ^^^^^^^ add "use: ./<file>.ts" below it

/project/orders.yaml:11:40  MANIFEST_WRONG_TYPE  node "console": tags[0] must be a string, found 1
   11 |   console: { use: ./console.ts, tags: [1, { a: b }], config: }
      |                                        ^ in quotes it is a string: "1"

/project/orders.yaml:11:43  MANIFEST_WRONG_TYPE  node "console": tags[1] must be a string, found a mapping
   11 |   console: { use: ./console.ts, tags: [1, { a: b }], config: }
      |                                           ^

/project/orders.yaml:11:54  MANIFEST_WRONG_TYPE  node "console": config must be a mapping, found nothing
   11 |   console: { use: ./console.ts, tags: [1, { a: b }], config: }
      |                                                      ^^^^^^ remove the key, or give it a value
`,
    },
    {
      given: 'values of other types at the top, one of them from a variable',
      text: `${minimal.replace('orders', '${NETWORK}')}listen: 4001\nseeds: /dns/a/tcp/1\n`,
      with: { env: { NETWORK: '42' } },
      printed: `
/project/orders.yaml:2:10  MANIFEST_WRONG_TYPE  network must be a string, found 42 (from NETWORK)
    2 | network: \${NETWORK}
      |          ^^^^^^^^^^ in quotes the reference is a string

/project/orders.yaml:5:9  MANIFEST_WRONG_TYPE  listen must be an IP address such as 127.0.0.1, found 4001
    5 | listen: 4001
      |         ^^^^ ports belong to the nodes

/project/orders.yaml:6:8  MANIFEST_WRONG_TYPE  seeds must be a list of multiaddrs, found "/dns/a/tcp/1"
    6 | seeds: /dns/a/tcp/1
      |        ^^^^^^^^^^^^ a list of one is written [/dns/a/tcp/1]
`,
    },
  ],

  MANIFEST_VALUE_INVALID: [
    {
      given: 'values out of range, empty lists, paths of another form',
      text: `${head}  trader: { use: [], replicas: 0, listen: 70000 }
  matcher: { use: matcher.ts, replicas: 1001 }
  console: { use: [../console, ./tools.ts#3d] }
`,
      printed: `
/project/orders.yaml:4:13  MANIFEST_VALUE_INVALID  node "trader": use must be a list of at least one path, found an empty list
    4 |   trader: { use: [], replicas: 0, listen: 70000 }
      |             ^^^

/project/orders.yaml:4:32  MANIFEST_VALUE_INVALID  node "trader": replicas must be a whole number from 1 to 1000, found 0
    4 |   trader: { use: [], replicas: 0, listen: 70000 }
      |                                ^

/project/orders.yaml:4:43  MANIFEST_VALUE_INVALID  node "trader": listen must be a port from 1 to 65535, found 70000
    4 |   trader: { use: [], replicas: 0, listen: 70000 }
      |                                           ^^^^^

/project/orders.yaml:5:19  MANIFEST_VALUE_INVALID  node "matcher": use "matcher.ts" is no path of a file
    5 |   matcher: { use: matcher.ts, replicas: 1001 }
      |                   ^^^^^^^^^^ did you mean "./matcher.ts"?

/project/orders.yaml:5:41  MANIFEST_VALUE_INVALID  node "matcher": replicas must be a whole number from 1 to 1000, found 1001
    5 |   matcher: { use: matcher.ts, replicas: 1001 }
      |                                         ^^^^

/project/orders.yaml:6:32  MANIFEST_VALUE_INVALID  node "console": use[1] "./tools.ts#3d" names no export after the "#"
    6 |   console: { use: [../console, ./tools.ts#3d] }
      |                                ^^^^^^^^^^^^^ write the name of a class, as in ./file.ts#Name
`,
    },
    {
      given: 'no nodes',
      text: 'mosaik: 1\nnetwork: orders\nnodes: {}\n',
      printed: `
/project/orders.yaml:3:1  MANIFEST_VALUE_INVALID  nodes declares nothing
    3 | nodes: {}
      | ^^^^^ declare at least one node
`,
    },
    {
      given: 'numbers that JSON or a double cannot hold',
      text: `${head}  trader:
    use: ./trader.ts
    config: { max: .inf, account: 12345678901234567890, big: 1e400, ok: [1e300, 9007199254740994] }
`,
      printed: `
/project/orders.yaml:6:20  MANIFEST_VALUE_INVALID  .inf is not a finite number
    6 |     config: { max: .inf, account: 12345678901234567890, big: 1e400, ok: [1e300, 9007199254740994] }
      |                    ^^^^

/project/orders.yaml:6:35  MANIFEST_VALUE_INVALID  12345678901234567890 has more digits than a number keeps
    6 |     config: { max: .inf, account: 12345678901234567890, big: 1e400, ok: [1e300, 9007199254740994] }
      |                                   ^^^^^^^^^^^^^^^^^^^^ in quotes it stays as it is: "12345678901234567890"

/project/orders.yaml:6:62  MANIFEST_VALUE_INVALID  1e400 is not a finite number
    6 |     config: { max: .inf, account: 12345678901234567890, big: 1e400, ok: [1e300, 9007199254740994] }
      |                                                              ^^^^^
`,
    },
  ],

  MANIFEST_NAME_INVALID: [
    {
      given: 'names that are none',
      text: `mosaik: 1
network: " orders"
nodes:
  OrderBook: { use: ./book.ts, tags: [ok, ""] }
  "": { use: ./book.ts, config: { __proto__: { admin: true } } }
`,
      printed: `
/project/orders.yaml:2:10  MANIFEST_NAME_INVALID  network " orders" cannot name a network
    2 | network: " orders"
      |          ^^^^^^^^^ it has visible characters without white space at either end, at most 128 of them

/project/orders.yaml:4:3  MANIFEST_NAME_INVALID  "OrderBook" cannot name a node
    4 |   OrderBook: { use: ./book.ts, tags: [ok, ""] }
      |   ^^^^^^^^^ did you mean "order-book"?

/project/orders.yaml:4:43  MANIFEST_NAME_INVALID  node "OrderBook": tags[1] "" cannot be a tag
    4 |   OrderBook: { use: ./book.ts, tags: [ok, ""] }
      |                                           ^^
      | it has visible characters without white space at either end, at most 128 of them

/project/orders.yaml:5:3  MANIFEST_NAME_INVALID  "" cannot name a node
    5 |   "": { use: ./book.ts, config: { __proto__: { admin: true } } }
      |   ^^ it has lower-case letters, digits and single dashes, beginning with a letter, at most 63 characters

/project/orders.yaml:5:35  MANIFEST_NAME_INVALID  the key "__proto__" is reserved
    5 |   "": { use: ./book.ts, config: { __proto__: { admin: true } } }
      |                                   ^^^^^^^^^
`,
    },
  ],

  MANIFEST_ADDRESS_INVALID: [
    {
      given: 'hosts, ports and addresses that are none',
      text: `${head}  trader: { use: ./trader.ts, listen: 4003-4001 }
  matcher: { use: ./matcher.ts, listen: "4001" }
  console: { use: ./console.ts, listen: [/ip4/127.0.0.1/udp/4001] }
listen: localhost
seeds:
  - broker:9092
  - /ip4/300.0.0.1/udp/4001/quic-v1
  - /ip4/10.0.0.5/udp/4001/quic
  - /ip4/10.0.0.5/tcp/99999
  - /ip4/10.0.0.5
  - /dns/broker/tcp
  - /dns/broker/tcp/4001/p2p/trader
`,
      printed: `
/project/orders.yaml:4:39  MANIFEST_ADDRESS_INVALID  node "trader": listen "4003-4001" is no range of ports
    4 |   trader: { use: ./trader.ts, listen: 4003-4001 }
      |                                       ^^^^^^^^^ ports go from 1 to 65535, the lower one first

/project/orders.yaml:5:41  MANIFEST_ADDRESS_INVALID  node "matcher": listen "4001" is no multiaddr
    5 |   matcher: { use: ./matcher.ts, listen: "4001" }
      |                                         ^^^^^^ a port is written without quotes: 4001

/project/orders.yaml:6:42  MANIFEST_ADDRESS_INVALID  node "console": listen[0] "/ip4/127.0.0.1/udp/4001" ends in UDP, over which nothing but QUIC is spoken
    6 |   console: { use: ./console.ts, listen: [/ip4/127.0.0.1/udp/4001] }
      |                                          ^^^^^^^^^^^^^^^^^^^^^^^ did you mean "/ip4/127.0.0.1/udp/4001/quic-v1"?

/project/orders.yaml:7:9  MANIFEST_ADDRESS_INVALID  listen "localhost" is a name
    7 | listen: localhost
      |         ^^^^^^^^^ did you mean "127.0.0.1"?

/project/orders.yaml:9:5  MANIFEST_ADDRESS_INVALID  seeds[0] "broker:9092" is no multiaddr
    9 |   - broker:9092
      |     ^^^^^^^^^^^ did you mean "/dns/broker/udp/9092/quic-v1"?

/project/orders.yaml:10:5  MANIFEST_ADDRESS_INVALID  seeds[1] "/ip4/300.0.0.1/udp/4001/quic-v1" has "300.0.0.1" where an IPv4 address belongs
   10 |   - /ip4/300.0.0.1/udp/4001/quic-v1
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a complete address is /ip4/127.0.0.1/udp/4001/quic-v1

/project/orders.yaml:11:5  MANIFEST_ADDRESS_INVALID  seeds[2] "/ip4/10.0.0.5/udp/4001/quic" has the unknown protocol "quic"
   11 |   - /ip4/10.0.0.5/udp/4001/quic
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean "quic-v1"?

/project/orders.yaml:12:5  MANIFEST_ADDRESS_INVALID  seeds[3] "/ip4/10.0.0.5/tcp/99999" has "99999" where a port belongs
   12 |   - /ip4/10.0.0.5/tcp/99999
      |     ^^^^^^^^^^^^^^^^^^^^^^^ a complete address is /ip4/127.0.0.1/udp/4001/quic-v1

/project/orders.yaml:13:5  MANIFEST_ADDRESS_INVALID  seeds[4] "/ip4/10.0.0.5" has no port
   13 |   - /ip4/10.0.0.5
      |     ^^^^^^^^^^^^^ a complete address is /ip4/127.0.0.1/udp/4001/quic-v1

/project/orders.yaml:14:5  MANIFEST_ADDRESS_INVALID  seeds[5] "/dns/broker/tcp" ends after "tcp", which needs a value
   14 |   - /dns/broker/tcp
      |     ^^^^^^^^^^^^^^^ a complete address is /ip4/127.0.0.1/udp/4001/quic-v1

/project/orders.yaml:15:5  MANIFEST_ADDRESS_INVALID  seeds[6] "/dns/broker/tcp/4001/p2p/trader" has "trader" where a peer id belongs
   15 |   - /dns/broker/tcp/4001/p2p/trader
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a complete address is /ip4/127.0.0.1/udp/4001/quic-v1
`,
    },
  ],

  MANIFEST_LISTEN_CONFLICT: [
    {
      given: 'replicas that would share a port or an address',
      text: `${head}  trader: { use: ./trader.ts, replicas: 3, listen: 4001 }
  matcher: { use: ./matcher.ts, replicas: 3, listen: 4001-4002 }
  console: { use: ./console.ts, replicas: 2, listen: /memory/console }
`,
      printed: `
/project/orders.yaml:4:52  MANIFEST_LISTEN_CONFLICT  node "trader" has 3 replicas, which cannot all listen on port 4001
    4 |   trader: { use: ./trader.ts, replicas: 3, listen: 4001 }
      |                                                    ^^^^ give each a port of its own: 4001-4003

/project/orders.yaml:5:54  MANIFEST_LISTEN_CONFLICT  node "matcher" has 3 replicas and ports for 2 of them
    5 |   matcher: { use: ./matcher.ts, replicas: 3, listen: 4001-4002 }
      |                                                      ^^^^^^^^^ did you mean 4001-4003?

/project/orders.yaml:6:54  MANIFEST_LISTEN_CONFLICT  node "console" has 2 replicas, which cannot all listen on the same address
    6 |   console: { use: ./console.ts, replicas: 2, listen: /memory/console }
      |                                                      ^^^^^^^^^^^^^^^
      | give them a range of ports instead: 4001-4002
`,
    },
  ],

  MANIFEST_ENV_UNSET: [
    {
      given: 'variables that are not set, in texts of every kind',
      text: `${head}  trader:
    use: ./trader.ts
    config:
      url: \${URL:?where the exchange is}
      user: "\\t\${USR} \${PASSWORD}"
      note: |
        for \${USR},
        not for \${ADMIN}
      hidden: "\\x24{ADMIN}"
`,
      with: { env: { USER: 'ada', URL: '' } },
      printed: `
/project/orders.yaml:7:12  MANIFEST_ENV_UNSET  the environment variable URL is empty: where the exchange is
    7 |       url: \${URL:?where the exchange is}
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ set it, or give it a default: \${URL:-…}

/project/orders.yaml:8:16  MANIFEST_ENV_UNSET  the environment variable USR is not set
    8 |       user: "\\t\${USR} \${PASSWORD}"
      |                ^^^^^^ did you mean USER, which is set?

/project/orders.yaml:8:23  MANIFEST_ENV_UNSET  the environment variable PASSWORD is not set
    8 |       user: "\\t\${USR} \${PASSWORD}"
      |                       ^^^^^^^^^^^ set it, or give it a default: \${PASSWORD:-…}

/project/orders.yaml:10:13  MANIFEST_ENV_UNSET  the environment variable USR is not set
   10 |         for \${USR},
      |             ^^^^^^ did you mean USER, which is set?

/project/orders.yaml:11:17  MANIFEST_ENV_UNSET  the environment variable ADMIN is not set
   11 |         not for \${ADMIN}
      |                 ^^^^^^^^ set it, or give it a default: \${ADMIN:-…}

/project/orders.yaml:12:15  MANIFEST_ENV_UNSET  the environment variable ADMIN is not set
   12 |       hidden: "\\x24{ADMIN}"
      |               ^^^^^^^^^^^^^ set it, or give it a default: \${ADMIN:-…}
`,
    },
  ],

  MANIFEST_ENV_MALFORMED: [
    {
      given: 'references that are none',
      text: `${head}  trader:
    use: ./trader.ts
    config:
      a: \${URL-none}
      b: \${URL:-\${HOST}}
      c: \${URL
`,
      printed: `
/project/orders.yaml:7:10  MANIFEST_ENV_MALFORMED  \${URL-none} is no reference to a variable
    7 |       a: \${URL-none}
      |          ^^^^^^^^^^^ write \${NAME}, \${NAME:-default} or \${NAME:?message}; $\${ stands for the characters \${

/project/orders.yaml:8:10  MANIFEST_ENV_MALFORMED  a reference cannot stand inside another
    8 |       b: \${URL:-\${HOST}}
      |          ^^^^^^^^^^^^^^ write \${NAME}, \${NAME:-default} or \${NAME:?message}; $\${ stands for the characters \${

/project/orders.yaml:9:10  MANIFEST_ENV_MALFORMED  this "\${" has no "}"
    9 |       c: \${URL
      |          ^^^^^ write \${NAME}, \${NAME:-default} or \${NAME:?message}; $\${ stands for the characters \${
`,
    },
  ],

  MANIFEST_USE_NOT_FOUND: [
    {
      given: 'files that are not there, beside similar ones',
      text: `${head}  trader: { use: ./tradr.ts }
  matcher: { use: [./matcher.js, ./matcher#Book] }
  console: { use: ../console.ts }
`,
      with: { files: ['hatcher.js', 'trader.ts', 'matcher.ts', 'matcher.md', 'tradr.md'] },
      printed: `
/project/orders.yaml:4:18  MANIFEST_USE_NOT_FOUND  node "trader" uses "./tradr.ts", and there is no such file
    4 |   trader: { use: ./tradr.ts }
      |                  ^^^^^^^^^^ did you mean "./trader.ts"?

/project/orders.yaml:5:20  MANIFEST_USE_NOT_FOUND  node "matcher" uses "./matcher.js", and there is no such file
    5 |   matcher: { use: [./matcher.js, ./matcher#Book] }
      |                    ^^^^^^^^^^^^ did you mean "./matcher.ts"?

/project/orders.yaml:5:34  MANIFEST_USE_NOT_FOUND  node "matcher" uses "./matcher#Book", and there is no such file
    5 |   matcher: { use: [./matcher.js, ./matcher#Book] }
      |                                  ^^^^^^^^^^^^^^ did you mean "./matcher.ts#Book"?

/project/orders.yaml:6:19  MANIFEST_USE_NOT_FOUND  node "console" uses "../console.ts", and there is no such file
    6 |   console: { use: ../console.ts }
      |                   ^^^^^^^^^^^^^ looked for /console.ts
`,
    },
  ],

  MANIFEST_USE_DUPLICATE: [
    {
      given: 'a file that is used twice by one node',
      text: `${head}  trader: { use: [./trader.ts, ./trader.ts#Buyer, ./x/../trader.ts] }\n`,
      printed: `
/project/orders.yaml:4:51  MANIFEST_USE_DUPLICATE  node "trader" uses "./x/../trader.ts" twice
    4 |   trader: { use: [./trader.ts, ./trader.ts#Buyer, ./x/../trader.ts] }
      |                                                   ^^^^^^^^^^^^^^^^ remove one of them
`,
    },
  ],
}

describe.each(Object.entries(cases))('%s', (code, examples) => {
  test.each(examples)(
    'given $given, it is said where and how to mend it',
    ({ text, with: given, printed }) => {
      expect(rendered(text, given)).toBe(printed)
      const { manifest, problems } = parse(text, given)
      expect(manifest).toBeUndefined()
      expect(problems.some((problem) => problem.code === code)).toBe(true)
    },
  )
})

test('given two mistakes far apart, both are reported at once in the order of the file', () => {
  const text = `network: 42\nmosaik: 1\nnodes:\n  trader: { uses: ./trader.ts }\n`
  expect(parse(text).problems.map(({ code, line, column }) => `${line}:${column} ${code}`)).toEqual([
    '1:10 MANIFEST_WRONG_TYPE',
    '4:3 MANIFEST_MISSING_KEY',
    '4:13 MANIFEST_UNKNOWN_KEY',
  ])
})

test('given something broken, nothing is said about what follows from it', () => {
  const text = `${head}  trader: { use: *files, replicas: *count }\n`
  expect(parse(text).problems.map(({ code }) => code)).toEqual([
    'MANIFEST_ALIAS_INVALID',
    'MANIFEST_ALIAS_INVALID',
  ])
})

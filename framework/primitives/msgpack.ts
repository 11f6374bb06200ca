/** How many arrays and maps may be nested in each other, when writing as when reading. */
export const DEPTH_MAX = 64

/** How long an integer may be, as two's complement: arithmetic on very long ones would be a way to stop a process. */
export const BIGINT_BYTES_MAX = 512

/** The first bytes of values, as the MessagePack specification names them. */
export const Format = {
  fixmap: 0x80,
  fixarray: 0x90,
  fixstr: 0xa0,
  nil: 0xc0,
  false: 0xc2,
  true: 0xc3,
  bin8: 0xc4,
  bin16: 0xc5,
  bin32: 0xc6,
  ext8: 0xc7,
  ext16: 0xc8,
  ext32: 0xc9,
  float32: 0xca,
  float64: 0xcb,
  uint8: 0xcc,
  uint16: 0xcd,
  uint32: 0xce,
  uint64: 0xcf,
  int8: 0xd0,
  int16: 0xd1,
  int32: 0xd2,
  int64: 0xd3,
  fixext1: 0xd4,
  fixext2: 0xd5,
  fixext4: 0xd6,
  fixext8: 0xd7,
  fixext16: 0xd8,
  str8: 0xd9,
  str16: 0xda,
  str32: 0xdb,
  array16: 0xdc,
  array32: 0xdd,
  map16: 0xde,
  map32: 0xdf,
  negativeFixint: 0xe0,
} as const

/** The extension types that are understood; all others are refused. */
export const Extension = {
  /** `undefined`, for which MessagePack has nothing: one byte of data, zero. */
  undefined: 0x00,
  /** An integer beyond 64 bits: two's complement, most significant byte first. */
  bigint: 0x42,
  /** A point in time: type -1, "timestamp" of the specification. */
  timestamp: 0xff,
} as const

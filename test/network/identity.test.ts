import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { fromHex, peerIdFromHex, seededRandom } from '#framework/primitives'
import { Identity, libp2pPeerId, peerIdFromLibp2p, verifySignature } from '#framework/network'
import { within } from '../support/eventually.js'

const text = new TextEncoder().encode('signed')

describe('an identity', () => {
  test('given a seed of RFC 8032 §7.1 (test 1), has the public key and makes the signature that are printed there', () => {
    const identity = Identity.fromSeed(
      fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'),
    )
    expect(identity.peerId).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
    expect(Buffer.from(identity.sign(new Uint8Array(0))).toString('hex')).toBe(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    )
  })

  test('given the same seed twice, is the same; given another, another', () => {
    const seed = seededRandom('one').bytes(32)
    expect(Identity.fromSeed(seed).peerId).toBe(Identity.fromSeed(seed).peerId)
    expect(Identity.fromSeed(seededRandom('two').bytes(32)).peerId).not.toBe(Identity.fromSeed(seed).peerId)
    expect(Identity.random().peerId).not.toBe(Identity.random().peerId)
    expect(Identity.random(seededRandom(7)).peerId).toBe(Identity.random(seededRandom(7)).peerId)
  })

  test('given a seed that its caller changes later, stays what it was', () => {
    const seed = seededRandom('one').bytes(32)
    const identity = Identity.fromSeed(seed)
    const before = identity.sign(text)
    seed.fill(0)
    expect(identity.sign(text)).toEqual(before)
  })

  test('given a seed of another length, is refused', () => {
    expect(() => Identity.fromSeed(new Uint8Array(31))).toThrow(
      expect.objectContaining({ code: 'IDENTITY_SEED_LENGTH' }),
    )
  })
})

describe('a signature', () => {
  test('is good for exactly the bytes and the peer that it was made for', () => {
    const alice = Identity.random()
    const signature = alice.sign(text)
    expect(verifySignature(alice.peerId, text, signature)).toBe(true)
    expect(verifySignature(alice.peerId, new TextEncoder().encode('singed'), signature)).toBe(false)
    expect(verifySignature(Identity.random().peerId, text, signature)).toBe(false)
    signature[10]! ^= 1
    expect(verifySignature(alice.peerId, text, signature)).toBe(false)
  })

  test('given of another length, or of a peer id that is no key, is simply not good', () => {
    const alice = Identity.random()
    expect(verifySignature(alice.peerId, text, new Uint8Array(63))).toBe(false)
    expect(verifySignature(alice.peerId, text, new Uint8Array(0))).toBe(false)
    expect(verifySignature(peerIdFromHex('ff'.repeat(32)), text, new Uint8Array(64))).toBe(false)
  })

  test('given more peers than keys are kept for, is verified all the same', () => {
    const many = Array.from({ length: 1100 }, (_, i) => Identity.random(seededRandom(i)))
    for (const each of many) expect(verifySignature(each.peerId, text, each.sign(text))).toBe(true)
    expect(verifySignature(many[0]!.peerId, text, many[0]!.sign(text))).toBe(true)
  })
})

describe('a peer id', () => {
  test('goes to the form that multiaddrs carry and back', () => {
    const { peerId } = Identity.random()
    expect(libp2pPeerId(peerId)).toMatch(/^12D3Koo/)
    expect(peerIdFromLibp2p(libp2pPeerId(peerId))).toBe(peerId)
  })

  test.each([
    '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN',
    'bafzaajaiaejcao3ke66m5nvefvrkhkgqfjxq243fgikxohpciotdvqciugfvtwrj',
    'k51qzi5uqu5dhnwe629wdlncpql6frppdpwnz4wtlcw816aysd5wwlk63g4wmh',
  ])('given the form %s, is read', (text) => {
    const peer = peerIdFromHex('3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29')
    expect(peerIdFromLibp2p(text)).toBe(peer)
    expect(libp2pPeerId(peer)).toBe('12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN')
  })

  test.each([
    ['nonsense', 'nonsense'],
    ['the id of an RSA key', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'],
    ['the id of a Secp256k1 key', '16Uiu2HAm9VQHTDjnTRDZQk8nPErpHDQFbWZqPjVjqMhHtahThVQh'],
    ['a content id of something else', 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'],
    ['an id that lacks a byte', libp2pPeerId(Identity.random().peerId).slice(0, -2)],
    ['no end of text', '1'.repeat(1_000_000)],
    ['nothing', ''],
  ])('given %s, is refused', (_, id) => {
    expect(() => peerIdFromLibp2p(id)).toThrow(expect.objectContaining({ code: 'PEER_ID_MALFORMED' }))
  })
})

describe('an identity kept in a folder', () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'mosaik-identity-'))
  })
  afterAll(() => rm(root, { recursive: true }))

  test('given no folder yet, is made, for the owner alone, and found again', async () => {
    const folder = join(root, 'new', 'node')
    const made = await Identity.fromFolder(folder)
    expect((await stat(join(folder, 'identity.key'))).mode & 0o777).toBe(0o600)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect(await readFile(join(folder, 'identity.key'), 'latin1')).toMatch(/^[0-9a-f]{64}\n$/)
    expect((await Identity.fromFolder(folder)).peerId).toBe(made.peerId)
    expect(await readdir(folder)).toEqual(['identity.key'])
  })

  test('given many who make it at the same time, is one and the same for all', async () => {
    const folder = join(root, 'raced')
    const all = await Promise.all(Array.from({ length: 20 }, () => Identity.fromFolder(folder)))
    expect(new Set(all.map(({ peerId }) => peerId)).size).toBe(1)
    expect(await readdir(folder)).toEqual(['identity.key'])
  })

  test('given a key that others may read, is refused, naming the file', async () => {
    const folder = join(root, 'exposed')
    await Identity.fromFolder(folder)
    await chmod(join(folder, 'identity.key'), 0o640)
    const file = join(folder, 'identity.key')
    await expect(Identity.fromFolder(folder)).rejects.toMatchObject({
      code: 'IDENTITY_KEY_EXPOSED',
      message: expect.stringContaining(file),
    })
  })

  test.each([
    ['too short', 'abc'],
    ['not hexadecimal', 'z'.repeat(64)],
    ['too long', 'a'.repeat(65)],
    ['very long', 'a'.repeat(100_000)],
    ['empty', ''],
  ])('given a key file that is %s, is refused without repeating what it holds', async (name, content) => {
    const folder = join(root, `malformed ${name}`)
    await Identity.fromFolder(folder)
    await writeFile(join(folder, 'identity.key'), content)
    const error: unknown = await Identity.fromFolder(folder).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'IDENTITY_KEY_MALFORMED' })
    if (content !== '') expect(String(error)).not.toContain(content)
  })

  test('given upper-case hexadecimal without a line end, is read', async () => {
    const folder = join(root, 'upper')
    const made = await Identity.fromFolder(folder)
    const file = join(folder, 'identity.key')
    await writeFile(file, (await readFile(file, 'latin1')).trimEnd().toUpperCase())
    expect((await Identity.fromFolder(folder)).peerId).toBe(made.peerId)
  })

  test('given a place where no folder can be, says so', async () => {
    const file = join(root, 'file')
    await writeFile(file, '')
    await expect(Identity.fromFolder(join(file, 'below'))).rejects.toMatchObject({
      code: 'IDENTITY_KEY_UNREADABLE',
      cause: expect.objectContaining({ code: 'ENOTDIR' }),
    })
  })

  test('given a link to a key elsewhere, reads that, and judges who may read it there', async () => {
    const elsewhere = join(root, 'elsewhere')
    const made = await Identity.fromFolder(elsewhere)
    const folder = join(root, 'linked')
    await mkdir(folder)
    await symlink(join(elsewhere, 'identity.key'), join(folder, 'identity.key'))
    expect((await Identity.fromFolder(folder)).peerId).toBe(made.peerId)
    await chmod(join(elsewhere, 'identity.key'), 0o644)
    await expect(Identity.fromFolder(folder)).rejects.toMatchObject({ code: 'IDENTITY_KEY_EXPOSED' })
  })

  test.each<[string, (file: string) => unknown]>([
    ['a link to nowhere', (file) => symlink(join(root, 'nowhere'), file)],
    ['a link to itself', (file) => symlink(file, file)],
    ['a folder', (file) => mkdir(file)],
    ['a pipe that nobody writes to', (file) => execFileSync('mkfifo', ['-m', '600', file])],
  ])(
    'given %s in the place of the key, says at once that it cannot read it, and leaves it alone',
    async (name, make) => {
      const folder = join(root, name)
      await mkdir(folder)
      await make(join(folder, 'identity.key'))
      await expect(within(2_000, Identity.fromFolder(folder))).rejects.toMatchObject({
        code: 'IDENTITY_KEY_UNREADABLE',
        details: { file: join(folder, 'identity.key') },
      })
      expect(await readdir(folder)).toEqual(['identity.key'])
    },
  )

  test('given a key file of any name, is read from it; given none there, or one already where a new one is to go, says so', async () => {
    const file = join(root, 'by-name.key')
    await expect(Identity.fromFile(file)).rejects.toMatchObject({ code: 'IDENTITY_KEY_MISSING' })
    const identity = Identity.random()
    await identity.toNewFile(file)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await Identity.fromFile(file)).peerId).toBe(identity.peerId)
    await expect(Identity.random().toNewFile(file)).rejects.toMatchObject({ code: 'IDENTITY_KEY_EXISTS' })
    expect((await Identity.fromFile(file)).peerId).toBe(identity.peerId)
    await expect(identity.toNewFile(join(root, 'no', 'such', 'folder'))).rejects.toMatchObject({
      code: 'IDENTITY_KEY_UNWRITABLE',
      cause: expect.objectContaining({ code: 'ENOENT' }),
    })
  })
})

export function assertWellFormed(_bytes: Uint8Array): void {}

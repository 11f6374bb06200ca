// A program that imports mosaik and starts a node, for the startup benchmark. Says what that has taken.
const importedFrom = performance.now()
const { startNode } = await import('../dist/index.js')
const imported = performance.now()
const importedBytes = process.memoryUsage.rss()
const node = await startNode({
  network: 'bench-startup',
  name: 'bench',
  replica: 0,
  tags: [],
  config: {},
  services: [],
})
console.log(
  JSON.stringify({
    importMs: imported - importedFrom,
    nodeMs: performance.now() - imported,
    /** Since the process began. */
    readyMs: performance.now(),
    importedBytes,
    readyBytes: process.memoryUsage.rss(),
  }),
)
await node.close()

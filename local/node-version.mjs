import { existsSync } from 'node:fs'

// Plain JavaScript on purpose: a Node that is too old could not parse the TypeScript it must refuse.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 16)) {
  if (!existsSync(new URL('../node_modules', import.meta.url))) {
    console.error('The packages are not installed yet: run `npm ci` first. It brings its own Node along.')
    process.exit(1)
  }
  console.error(
    `This project needs Node 24.16 or newer and found ${process.versions.node}: npm has no Node package for this platform, or optional packages were left out. Install a newer Node and try again.`,
  )
  process.exit(1)
}

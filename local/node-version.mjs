// Plain JavaScript on purpose: a Node that is too old could not even parse the TypeScript it is to refuse.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `This project needs Node 24 or newer and found ${process.versions.node}: npm has no Node package for this platform, or optional packages were left out. Install Node 24 and try again.`,
  )
  process.exit(1)
}

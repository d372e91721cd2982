// Imports inside src point down: a file may import from its own folder and from the ranks above it in this list,
// never from a folder of the same rank.
const ranks = [
  ['platform'],
  ['channels/contract', 'tenants', 'outbox', 'dead-letters'],
  ['channels/[^/]+', 'integrations/[^/]+'],
  ['listings', 'mapping'],
  ['connections'],
  ['webhooks', 'calendar', 'mirrors'],
  ['bookings'],
  ['messaging', 'access', 'tasks', 'polling'],
  ['deps', 'app'],
  ['server'],
]

// `channels/[^/]+` stands for every channel, but not for the contract that they share.
const inSrc = (names) =>
  `^src/(${names.map((name) => name.replace('/[^/]+', '/(?!contract)[^/]+')).join('|')})(\\.ts$|/)`
const roomInSrc = '^src/((platform|bookings|channels)/)?[^/]+$'
const packages = (names) => `(^|/)node_modules/(${names.join('|')})(/|$)`
const production = '^(src|workers|migrations)/'
const shipped = '^(src|workers|migrations|local|sandbox)/'
const queues = '^src/platform/queue/'
const hostaway = '^src/channels/hostaway/'
const pure =
  '^src/(mapping/(?!mapping-store\\.ts$|compiled-mappings\\.ts$|mapping-lock\\.ts$)|calendar/intervals\\.ts$|platform/limiter/call-admission\\.ts$)'
const ioBuiltIns =
  '^(node:)?(fs|net|http|http2|https|tls|dns|dgram|child_process|cluster|worker_threads|readline|repl|sqlite|inspector|process)(/|$)'
const fromNpm = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown']

const rankRules = ranks.slice(0, -1).map((names, rank) => ({
  name: `rank-${rank}`,
  comment: `${names.join(', ')} may not import from the ranks that build on them.`,
  severity: 'error',
  from: { path: inSrc(names) },
  to: { path: inSrc(ranks.slice(rank + 1).flat()) },
}))

const crowded = ranks.slice(1, -2).filter((names) => names.length > 1 || names[0].includes('['))
const siblingRules = crowded.map((names) => {
  const siblings = inSrc(names).replace('(\\.ts$|/)', '/')
  return {
    name: `siblings-${ranks.indexOf(names)}`,
    comment: `${names.join(', ')} know nothing of each other.`,
    severity: 'error',
    from: { path: siblings },
    to: { path: siblings, pathNot: '^src/$1/' },
  }
})

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

module.exports = {
  forbidden: [
    ...rankRules,
    ...siblingRules,
    forbid(
      'rank-unknown',
      'Every file and folder in src has its place in the list of ranks; give this one a place.',
      { path: '^(src|workers|local|test|sandbox|bench|chaos)/' },
      { path: '^src/', pathNot: inSrc(ranks.flat()) },
    ),
    forbid(
      'src-stands-alone',
      'What runs in production does not know the processes, tools and tests around it.',
      { path: '^src/' },
      { path: '^(workers|local|sandbox|test|bench|chaos|migrations)/' },
    ),
    forbid(
      'workers-use-src-only',
      'Workers are started by other means than the tools and tests around them.',
      { path: '^workers/' },
      { path: '^(local|sandbox|test|bench|chaos|migrations)/' },
    ),
    forbid(
      'sandbox-stands-alone',
      'The sandbox stands in for Hostaway: sharing code with the connector would share its mistakes.',
      { path: '^sandbox/' },
      { path: '^(src|workers|local|test|bench|chaos|migrations)/' },
    ),
    forbid(
      'tests-stay-outside',
      'Nothing that is shipped needs the tests, the benchmarks or the chaos.',
      { path: shipped },
      { path: '^(test|bench|chaos)/' },
    ),
    forbid(
      'chaos-from-outside',
      'What the chaos finds is worth something because it treats the product as processes.',
      { path: '^chaos/' },
      { path: '^(workers|test|bench|migrations)/|^sandbox/', pathNot: '^sandbox/control-client\\.ts$' },
    ),
    forbid(
      'migrations-are-frozen',
      'A migration describes the schema of its day; code that changes later would change it.',
      { path: '^migrations/' },
      { pathNot: packages(['kysely']) },
    ),
    forbid(
      'no-cycles',
      'Files that import each other cannot be read, tested or loaded apart.',
      {},
      { circular: true },
    ),
    {
      ...forbid(
        'no-folder-cycles',
        'Imports between two folders of src point one way.',
        { path: roomInSrc },
        { circular: true, viaOnly: { path: roomInSrc } },
      ),
      scope: 'folder',
    },
    forbid(
      'channels-know-no-domain',
      'A channel is given what it needs, the token for example, as arguments.',
      { path: '^src/channels/' },
      { path: inSrc(ranks[1].slice(1)) },
    ),
    forbid(
      'channels-by-contract',
      'The domain knows neutral types; only deps.ts says which channels there are.',
      { path: production, pathNot: '^src/(channels/|deps\\.ts$)' },
      { path: '^src/channels/(?!contract/)' },
    ),
    forbid(
      'pure-without-system',
      'Mapping and intervals compute; reading and writing is done around them.',
      { path: pure },
      { path: ioBuiltIns, dependencyTypes: ['core'] },
    ),
    forbid(
      'pure-without-io-packages',
      'Mapping and intervals use packages that only compute.',
      { path: pure },
      {
        dependencyTypes: fromNpm,
        pathNot: packages(['big\\.js', '@types/big\\.js', 'currency-codes', 'typebox', 'jsonata']),
      },
    ),
    forbid(
      'pure-reaches-no-io',
      'Nor do the files that they import read or write.',
      { path: pure },
      {
        path: `^src/platform/(db|queue|http|config|telemetry)/|${ioBuiltIns}`,
        // Holds nothing but types.
        pathNot: '^src/platform/db/(outbound-|mapping-|history-)?tables\\.ts$',
        reachable: true,
      },
    ),
    forbid(
      'hostaway-client-packages',
      'Only src/channels/hostaway calls Hostaway.',
      { path: shipped, pathNot: hostaway },
      { path: packages(['axios', 'opossum', '@types/opossum']) },
    ),
    forbid(
      'queue-packages',
      'Only src/platform/queue knows which queue runs underneath; tracing hands them a plug-in of theirs.',
      { path: shipped, pathNot: `${queues}|^src/platform/telemetry/tracing\\.ts$` },
      { path: packages(['bullmq', 'bullmq-otel', 'ioredis']) },
    ),
    forbid(
      'secret-manager-package',
      'It is large; only the file that needs it loads it, and only when it does.',
      { path: shipped, pathNot: '^src/platform/config/key-ring\\.ts$' },
      { path: packages(['@google-cloud/[^/]+', 'google-(gax|auth-library)']) },
    ),
    forbid(
      'no-development-packages',
      'What is shipped runs without development dependencies.',
      { path: shipped },
      { dependencyTypes: ['npm-dev'], pathNot: packages(['@types/[^/]+']) },
    ),
    forbid(
      'no-optional-packages',
      'What runs in production runs without optional dependencies.',
      { path: production },
      { dependencyTypes: ['npm-optional'] },
    ),
    forbid(
      'no-undeclared-packages',
      'A package that is imported stands in package.json.',
      {},
      { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    ),
    forbid(
      'no-unresolved-imports',
      'An import that leads nowhere cannot be checked.',
      {},
      { couldNotResolve: true },
    ),
  ],
  options: {
    // TypeScript 7 has no interface for other tools, so another parser reads the sources.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    preserveSymlinks: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.cjs', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}

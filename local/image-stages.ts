import { execFile } from 'node:child_process'
import { cp, mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

/** What a stage of the Dockerfile has become: `folder` stands for its WORKDIR. */
export type BuiltStage = {
  folder: string
  env: Record<string, string>
  user: string | undefined
  command: string[]
  healthCheck: string[]
}

type Stage = { from: string; steps: Array<{ instruction: string; rest: string }> }

const run = promisify(execFile)
const workdir = '/app'

/**
 * Runs the steps of a Dockerfile's stage in an empty folder, without a container: the copied files are all that is
 * there. Throws at an instruction that it does not know, so that none is silently left out.
 */
export async function buildStage(
  name: string,
  options: { repository: string; scratch: string; path: string },
): Promise<BuiltStage> {
  const stages = readStages(await readFile(path.join(options.repository, 'Dockerfile'), 'utf8'))
  const context = await readContext(options.repository)
  const built = new Map<string, BuiltStage>()

  async function build(stageName: string): Promise<BuiltStage> {
    const known = built.get(stageName)
    if (known !== undefined) return known
    const stage = stages.get(stageName)
    if (stage === undefined) throw new Error(`The Dockerfile has no stage ${stageName}`)
    const image: BuiltStage = {
      ...(stages.has(stage.from)
        ? structuredClone(await build(stage.from))
        : { env: {}, user: undefined, command: [], healthCheck: [] }),
      folder: path.join(options.scratch, stageName),
    }
    if (stages.has(stage.from)) await cp((await build(stage.from)).folder, image.folder, { recursive: true })
    else await mkdir(image.folder)
    for (const step of stage.steps) await carryOut(image, step)
    built.set(stageName, image)
    return image
  }

  async function carryOut(image: BuiltStage, { instruction, rest }: Stage['steps'][number]): Promise<void> {
    switch (instruction) {
      case 'WORKDIR':
        if (rest !== workdir) throw new Error(`WORKDIR ${rest} is not ${workdir}`)
        return
      case 'COPY':
        return copy(image, rest)
      case 'RUN':
        await run('/bin/sh', ['-c', rest], {
          cwd: image.folder,
          env: { ...process.env, ...image.env, PATH: options.path },
        })
        return
      case 'ENV':
        for (const pair of rest.split(/\s+/)) {
          const [key = '', value = ''] = pair.split('=')
          image.env[key] = value
        }
        return
      case 'USER':
        image.user = rest
        return
      case 'CMD':
        image.command = JSON.parse(rest)
        return
      case 'HEALTHCHECK':
        image.healthCheck = JSON.parse(rest.slice(rest.indexOf('CMD ') + 'CMD '.length))
        return
      case 'EXPOSE':
        return
      default:
        throw new Error(`${instruction} is not understood`)
    }
  }

  async function copy(image: BuiltStage, rest: string): Promise<void> {
    const words = rest.split(/\s+/)
    const from = /^--from=(\w+)$/.exec(words[0] ?? '')?.[1]
    const [target = '', ...sources] = words.slice(from === undefined ? 0 : 1).reverse()
    for (const source of sources) {
      if (from === undefined && !context.has(source)) throw new Error(`.dockerignore leaves out ${source}`)
      const origin =
        from === undefined
          ? path.join(options.repository, source)
          : path.join((await build(from)).folder, path.relative(workdir, source))
      const place = target.endsWith('/') ? path.join(target, path.basename(source)) : target
      await cp(origin, path.join(image.folder, place), { recursive: true })
    }
  }

  return build(name)
}

function readStages(dockerfile: string): Map<string, Stage> {
  const lines = dockerfile
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const stages = new Map<string, Stage>()
  let current: Stage | undefined
  for (const line of lines) {
    const [, from, name] = /^FROM (\S+) AS (\S+)$/.exec(line) ?? []
    if (from !== undefined && name !== undefined) {
      current = { from, steps: [] }
      stages.set(name, current)
    } else {
      const [, instruction = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
      current?.steps.push({ instruction, rest })
    }
  }
  return stages
}

async function readContext(repository: string): Promise<Set<string>> {
  const lines = (await readFile(path.join(repository, '.dockerignore'), 'utf8')).split('\n')
  if (!lines.includes('*')) throw new Error('.dockerignore does not leave everything out at first')
  return new Set(lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1)))
}

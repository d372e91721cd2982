import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'

/** The environment in which a child process uses the modules that Node has compiled for this one; empty where Node keeps none. */
export function compiledModules(): Record<string, string> {
  // Node adds a folder per version to the one that was set.
  const folder = getCompileCacheDir()
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) }
}

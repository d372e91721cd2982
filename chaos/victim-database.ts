import { type EmbeddedPostgres, startEmbeddedPostgres } from '../local/embedded-postgres.ts'
import { endWithParent } from '../local/end-with-parent.ts'
import { sendSignal } from '../local/postgres-server.ts'
import { steadyPort } from './steady-port.ts'

export type VictimDatabase = {
  url: string
  /** `fast` closes every connection and ends cleanly, `crash` is SIGKILL. The data stays. */
  stop(how: 'fast' | 'crash'): Promise<void>
  /** Starts it on the same port with the same data. */
  start(): Promise<void>
}

/**
 * A PostgreSQL with its data in `folder` that can be taken away and brought back. It ends with this process, however
 * that ends; `wholeFolder`, which holds that folder, is removed then.
 */
export async function startVictimDatabase(folder: string, wholeFolder: string): Promise<VictimDatabase> {
  const port = await steadyPort()
  let postgres: EmbeddedPostgres
  let release: () => void

  async function start(): Promise<void> {
    postgres = await startEmbeddedPostgres({ dataDir: folder, port, settings: { max_connections: '200' } })
    release = endWithParent(postgres.pid, wholeFolder)
  }

  await start()
  return {
    // The password stays with the data.
    get url() {
      return postgres.url
    },
    start,
    async stop(how) {
      if (how === 'crash') sendSignal(postgres.pid, 'SIGKILL')
      await postgres.stop()
      release()
    },
  }
}

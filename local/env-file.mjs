// Preloaded by the commands that run the product: settings of a .env file beside package.json, unless they are set already.
import { existsSync } from 'node:fs'
import path from 'node:path'

const file = path.join(import.meta.dirname, '../.env')
if (existsSync(file)) process.loadEnvFile(file)

// Preloaded by the commands that run the product: checks Node's version, then reads the .env file beside
// package.json. A variable of the environment wins over the file.
import './node-version.mjs'
import { existsSync } from 'node:fs'
import path from 'node:path'

const file = path.join(import.meta.dirname, '../.env')
if (existsSync(file)) process.loadEnvFile(file)

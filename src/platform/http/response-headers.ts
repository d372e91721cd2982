import { constants } from 'node:zlib'
import compress from '@fastify/compress'
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'

const compressedFrom = 1_024
// Brotli's default takes ten times as long for a few per cent.
const brotliQuality = 4

/** Headers that keep a browser from doing more with an answer than was meant; `isHttps` where only TLS leads here. */
export async function useSafeHeaders(app: FastifyInstance, { isHttps }: { isHttps: boolean }): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: 'deny' },
    strictTransportSecurity: isHttps ? { maxAge: 31_536_000 } : false,
  })
}

/** Compresses what the routes of this instance answer, and keeps it out of caches. */
export async function useApiHeaders(app: FastifyInstance): Promise<void> {
  await app.register(compress, {
    threshold: compressedFrom,
    encodings: ['br', 'gzip'],
    brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } },
  })
  app.addHook('onRequest', async (_request, reply) => void reply.header('cache-control', 'no-store'))
}

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional

FROM node:24-bookworm-slim AS base
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
USER node

# For `docker build --target sandbox`: the stand-in for Hostaway, never part of the product's image.
FROM base AS sandbox
COPY sandbox sandbox
ENV SANDBOX_HOST=0.0.0.0
EXPOSE 4010
CMD ["node", "sandbox/sandbox-main.ts"]

# API, worker and migrations are one image; what runs is the command.
FROM base AS connector
COPY migrations migrations
COPY src src
COPY workers workers
EXPOSE 3000 9464
# A container is either an API (PORT) or a worker (METRICS_PORT): whichever answers is the one to ask.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "const { PORT = 3000, METRICS_PORT = 9464 } = process.env; const ask = async (port) => { const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(4000) }); if (!answer.ok) throw new Error(`${port}: ${answer.status}`) }; Promise.any([ask(PORT), ask(METRICS_PORT)]).then(() => process.exit(0), () => process.exit(1))"]
# Node itself is process 1, so that a SIGTERM to the container reaches it.
CMD ["node", "src/server.ts"]

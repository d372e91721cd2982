import pg from 'pg'

type Row = {
  id: number
  status: string
  arrivalDate: string
  departureDate: string
  numberOfGuests: number
  updatedOn: string
}

const rowsPerPage = 500

/** How many reservations differ between the sandbox's API, read page by page, and the bookings that came of them. */
export async function compareWithHostaway(
  databaseUrl: string,
  apiUrl: string,
  account: { accountId: number; apiKey: string },
): Promise<number> {
  const stored = await readBookings(databaseUrl)
  const token = await obtainToken(apiUrl, account)
  let differing = 0
  let after: number | undefined
  for (;;) {
    const page = await readPage(apiUrl, token, after)
    for (const row of page) {
      if (stored.get(String(row.id)) !== describe(row)) differing += 1
      stored.delete(String(row.id))
    }
    after = page.at(-1)?.id
    if (page.length < rowsPerPage) return differing + stored.size
  }
}

function describe({ status, arrivalDate, departureDate, numberOfGuests, updatedOn }: Row): string {
  return [status, arrivalDate, departureDate, numberOfGuests, `${updatedOn.replace(' ', 'T')}.000Z`].join(' ')
}

async function readBookings(databaseUrl: string): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string; described: string }>(`
      select external_id as id, concat_ws(' ', source_status, check_in, check_out, guests_total,
        to_char(version_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) as described
      from bookings`)
    return new Map(rows.map(({ id, described }) => [id, described]))
  } finally {
    await client.end()
  }
}

async function obtainToken(
  apiUrl: string,
  { accountId, apiKey }: { accountId: number; apiKey: string },
): Promise<string> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: String(accountId),
    client_secret: apiKey,
    scope: 'general',
  })
  const answer = await fetch(`${apiUrl}/accessTokens`, { method: 'POST', body })
  return ((await answer.json()) as { access_token: string }).access_token
}

async function readPage(apiUrl: string, token: string, after: number | undefined): Promise<Row[]> {
  const query = new URLSearchParams({
    limit: String(rowsPerPage),
    ...(after === undefined ? {} : { afterId: String(after) }),
  })
  const answer = await fetch(`${apiUrl}/reservations?${query}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  if (!answer.ok) throw new Error(`The sandbox answered ${answer.status}`)
  return ((await answer.json()) as { result: Row[] }).result
}

import type { SeededRandom } from './seeded-random.ts'

const firstNames = [
  'Amara',
  'Bruno',
  'Chiara',
  'Dmitri',
  'Élodie',
  'Femi',
  'Greta',
  'Hiro',
  'Ines',
  'Jonas',
  'Kiran',
  'Lucía',
  'Mina',
  'Noor',
  'Oskar',
  'Paulo',
  'Rosa',
  'Søren',
  'Tariq',
  'Wanda',
]

const lastNames = [
  'Abara',
  'Berg',
  'Castro',
  'Dubois',
  'Eriksen',
  'Fontana',
  'Gupta',
  'Haddad',
  'Ivanov',
  'Jansen',
  'Kowalski',
  'López',
  'Müller',
  'Nakamura',
  'Okafor',
  'Pereira',
  'Rossi',
  'Sato',
  'Tanaka',
  'Weiss',
]

const places: [city: string, country: string, locale: string][] = [
  ['Lyon', 'FR', 'fr'],
  ['Osaka', 'JP', 'ja'],
  ['Leeds', 'GB', 'en'],
  ['Austin', 'US', 'en'],
  ['Köln', 'DE', 'de'],
  ['Recife', 'BR', 'pt'],
  ['Lagos', 'NG', 'en'],
]

export type MadeUpGuest = {
  guestName: string
  guestFirstName: string
  guestLastName: string
  guestEmail: string
  phone: string
  guestCity: string
  guestCountry: string
  guestLocale: string
}

export function makeUpGuest(random: SeededRandom): MadeUpGuest {
  const guestFirstName = random.pick(firstNames)
  const guestLastName = random.pick(lastNames)
  const [guestCity, guestCountry, guestLocale] = random.pick(places)
  return {
    guestName: `${guestFirstName} ${guestLastName}`,
    guestFirstName,
    guestLastName,
    guestEmail: `guest${random.integer(1_000, 999_999)}@guests.example.com`,
    phone: `+1555010${random.integer(1_000, 9_999)}`,
    guestCity,
    guestCountry,
    guestLocale,
  }
}

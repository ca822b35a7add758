// Times as people read them.

// The language with the region that the browser names, because dates differ between en-GB and en-US.
const regional = (language) =>
  (globalThis.navigator?.languages ?? []).find((one) => one.toLowerCase().startsWith(`${language}-`)) ?? language;

// Formats are kept: making one takes longer than using it, and a page of results uses each a hundred times.
const kept = new Map();
function format(kind, language, options) {
  const key = `${kind} ${language} ${JSON.stringify(options)}`;
  if (!kept.has(key)) kept.set(key, new Intl[kind](regional(language), options));
  return kept.get(key);
}

const STEPS = [
  ['second', 60], ['minute', 60], ['hour', 24], ['day', 7], ['week', 4.34524], ['month', 12], ['year', Infinity],
];

// "3 hours ago"
export function relative(then, now, language) {
  let amount = (new Date(then) - now) / 1000;
  if (Number.isNaN(amount)) return '';
  const relation = format('RelativeTimeFormat', language, { numeric: 'auto', style: 'short' });
  for (const [unit, size] of STEPS) {
    if (Math.abs(Math.round(amount)) < size) return relation.format(Math.round(amount), unit);
    amount /= size;
  }
  return '';
}

export const exact = (then, language, timeZone) =>
  then ? format('DateTimeFormat', language, { dateStyle: 'full', timeStyle: 'long', timeZone }).format(new Date(then)) : '';

let ownZone = '';
export const zone = () => (ownZone ||= Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC');

const OPTIONS = {
  4: { year: 'numeric' },
  7: { year: 'numeric', month: 'short' },
  10: { year: 'numeric', month: 'short', day: 'numeric' },
};

// A date such as 2024, 2024-07 or 2024-07-01, written out.
export const written = (date, language) =>
  format('DateTimeFormat', language, { ...OPTIONS[date.length], timeZone: 'UTC' }).format(new Date(date));

// The parameters of the API's requests, made from a query.

import { LISTS } from './address.js';

export const FACETS = 'status,channel,category,agent_uid,is_read,direction';
const TAKES_ONE = new Set(['channel', 'agent_uid']); // several values need the form with [in]

// A name as an element of a list: in quotation marks if it could be read as something else.
export const listed = (name) => (/[",]|^\s|\s$|^(none|any)$/i.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

export function filterParameters(asked, zone) {
  const found = [];
  if (asked.organization_uid) found.push(['organization_uid', asked.organization_uid]);
  if (asked.q.trim()) found.push(['q', asked.q], ['match', 'auto']);
  for (const name of LISTS) {
    const values = asked[name];
    if (values.length === 0) continue;
    const isNone = values.length === 1 && values[0] === 'none';
    const form = values.length > 1 && TAKES_ONE.has(name) ? `${name}[in]` : name;
    found.push([form, isNone ? 'none' : values.map(listed).join(',')]);
  }
  for (const name of ['is_read', 'has_reply']) if (asked[name]) found.push([name, asked[name]]);
  if (asked.from) found.push(['created_on[gte]', asked.from]);
  if (asked.to) found.push(['created_on[lte]', asked.to]);
  if (zone && zone !== 'UTC' && (asked.from || asked.to || asked.q.includes(':'))) found.push(['tz', zone]);
  return found;
}

export const sortOf = (asked) => asked.sort || (asked.q.trim() ? 'relevance' : '');

export function exportParameters(asked, zone) {
  const sort = sortOf(asked);
  return [...filterParameters(asked, zone), ...(sort ? [['sort', sort]] : [])];
}

// What is on screen: filters, order and page.
export function shownParameters(asked, zone) {
  const found = exportParameters(asked, zone);
  if (asked.page > 1) found.push(['page', String(asked.page)]);
  if (asked.per_page !== 25) found.push(['per_page', String(asked.per_page)]);
  return found;
}

export const pageParameters = (asked, zone) => [
  ...shownParameters(asked, zone), ['highlight', 'subject'], ['suggest', 'true'],
];

export function countParameters(asked, zone, interval) {
  const filters = filterParameters(asked, zone).filter(([name]) => name !== 'tz');
  return [...filters, ['facets', FACETS], ['facets[created_on]', interval], ...(zone ? [['tz', zone]] : [])];
}

// The search with its last word as a prefix (`windo*`), because people often stop within a word. Null if the last word
// cannot be a prefix.
export function begun(q) {
  const isPlain = /(^|\s)[\p{L}\p{N}]{2,}$/u.test(q) && (q.match(/"/g) ?? []).length % 2 === 0 && !/(^|\s)OR$/.test(q);
  return isPlain ? `${q}*` : null;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// A command line with curl. It does not contain the token, because people paste such lines into tickets.
export function curlLine(address, parameters) {
  const parts = parameters.map(([name, value]) => `  --data-urlencode ${quoted(`${name}=${value}`)}`);
  return [`curl -sG -H "Authorization: Bearer $TOKEN" ${quoted(address)}`, ...parts].join(' \\\n');
}

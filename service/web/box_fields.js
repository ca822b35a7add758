// The fields of the search box, and their values if these are few. scripts/field-tables writes BOX_FIELDS.

export const BOX_FIELDS = {
  from: [],
  to: [],
  cc: [],
  agent: [],
  party: [],
  creator: [],
  status: ['draft', 'active', 'archived', 'closed', 'none', 'any'],
  channel: ['email', 'sms', 'none', 'any'],
  direction: ['inbound', 'outbound', 'none', 'any'],
  category: [],
  label: [],
  messages: [],
  is: ['read', 'unread', 'assigned', 'unassigned', 'replied', 'unreplied'],
  has: ['attachment'],
  subject: [],
  after: [],
  before: [],
  on: [],
  created: [],
  updated: [],
  sent: [],
};
const COMPLETED_BY_SERVICE = { from: 'senders', category: 'categories', label: 'labels' };

// What can complete the word before the cursor:
// { kind: 'value' | 'names' | 'text' | 'nothing', start, typed, ... }; `start` is where the completion begins.
export function wordAt(text, cursor) {
  const before = text.slice(0, cursor);
  if ((before.match(/"/g) ?? []).length % 2 === 1) {
    const opened = before.lastIndexOf('"');
    const named = /(\S+):$/.exec(before.slice(0, opened));
    if (named && COMPLETED_BY_SERVICE[named[1].replace(/^[-(]+/, '')])
      return names(named[1].replace(/^[-(]+/, ''), opened, before.slice(opened + 1));
    return { kind: 'nothing', start: cursor, typed: '' };
  }
  const start = before.search(/\S*$/);
  const sign = /^[-(]*/.exec(before.slice(start))[0].length;
  const word = before.slice(start + sign);
  const colon = word.indexOf(':');
  if (colon > 0) return valueAt(word.slice(0, colon).toLowerCase(), word.slice(colon + 1), start + sign + colon + 1);
  return { kind: 'text', start: start + sign, typed: word, phrase: plainBefore(before), fields: fieldsFor(word) };
}

function valueAt(field, given, at) {
  if (!(field in BOX_FIELDS)) return { kind: 'nothing', start: at, typed: '' };
  const typed = given.slice(given.lastIndexOf(',') + 1);
  const start = at + given.length - typed.length;
  if (field in COMPLETED_BY_SERVICE) return names(field, start, typed);
  const values = BOX_FIELDS[field].filter((value) => value.startsWith(typed.toLowerCase()) && value !== typed);
  return { kind: 'value', start, typed, field, values };
}

const names = (field, start, typed) => ({ kind: 'names', start, typed, field, part: COMPLETED_BY_SERVICE[field] });

const fieldsFor = (word) => (word.length < 2 ? [] : Object.keys(BOX_FIELDS).filter((name) => name.startsWith(word.toLowerCase())));

// The plain words at the end, without fields, phrases and signs. The words before the last one improve its completion.
function plainBefore(before) {
  const words = before.split(/\s+/);
  let from = words.length - 1;
  while (from > 0 && !/[:"()*]|^-|^OR$/.test(words[from - 1])) from -= 1;
  return words.slice(from).join(' ').replace(/^[-(]+/, '').trimStart();
}

// A name as a value in the search box: in quotation marks if it could be read as something else.
export const quotedName = (name) =>
  (/[\s,:()"“”„‟«»＂：（），]|^(none|any)$/i.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

// The text in which the completion replaces the typed word, and the new position of the cursor.
export function completed(text, cursor, start, completion, isOpenEnded) {
  const after = text.slice(cursor).replace(/^[^\s]*/, '');
  const before = text.slice(0, start) + completion + (isOpenEnded ? '' : ' ');
  return { text: before + after.trimStart(), cursor: before.length };
}

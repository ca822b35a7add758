// Completes the word that is typed in the search box. The page knows the fields and their fixed values; it requests the
// other completions from the service.

import { ask } from './api.js';
import { quotedName, wordAt } from './box_fields.js';
import { now, set } from './store.js';
import { Turns } from './turns.js';

const COMPLETION_PAUSE = 120; // milliseconds after the last key until the service is asked
const turns = new Turns();
let timer = 0;

export function closed() {
  clearTimeout(timer);
  turns.end();
  set({ completions: { items: [], active: -1, isOpen: false } });
}

export function complete(text, cursor) {
  clearTimeout(timer);
  const word = wordAt(text, cursor);
  const own = ownItems(word);
  show(own, word);
  if (!['names', 'text'].includes(word.kind) || word.typed === '') return turns.end();
  const load = (signal) => itemsOfService(word, signal);
  timer = setTimeout(() => turns.take(load, (found) => show(found.concat(own), word), () => {}), COMPLETION_PAUSE);
  return undefined;
}

const show = (items, word) =>
  set({ completions: { items, start: word.start, active: -1, isOpen: items.length > 0 } });

function ownItems(word) {
  if (word.kind === 'value') return word.values.map((value) => ({ kind: 'value', field: word.field, text: value }));
  if (word.kind !== 'text') return [];
  return word.fields.map((name) => ({ kind: 'field', text: `${name}:`, name, isOpenEnded: true }));
}

async function itemsOfService(word, signal) {
  if (word.kind === 'names') return itemsOf(await suggestions(word.typed, signal), [word.part], word);
  if (word.phrase === word.typed) return itemsOf(await suggestions(word.typed, signal), ALL, word);
  const [phrase, last] = await Promise.all([suggestions(word.phrase, signal), suggestions(word.typed, signal)]);
  return [...itemsOf(phrase, ['words'], word), ...itemsOf(last, ALL.slice(1), word)];
}

const ALL = ['words', 'senders', 'categories', 'labels'];
const SHAPES = { words: ['text', ''], senders: ['from_email', 'from'], categories: ['category', 'category'], labels: ['label', 'label'] };

function suggestions(q, signal) {
  const { asked: { organization_uid: organization }, token } = now();
  const parameters = [['q', q.slice(0, 100)], ...(organization ? [['organization_uid', organization]] : [])];
  return ask('api/conversations/suggest', { parameters, token, signal });
}

function itemsOf(found, parts, word) {
  return parts.flatMap((part) => {
    const [key, field] = SHAPES[part];
    return found[part].map((one) => {
      const name = part === 'words' ? lastOf(one[key], word) : one[key];
      const text = part === 'words' ? name : quotedName(name);
      return { kind: part, shown: name, count: one.count, text: word.kind === 'names' || !field ? text : `${field}:${text}` };
    });
  });
}

// The service completes the whole phrase, of which only the end replaces the last word.
const lastOf = (text, word) => text.slice(word.phrase.length - word.typed.length).trimStart() || text;

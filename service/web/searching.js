// Requests the page of results, the counts of the filters, and the open conversation.

import { Failure, ask } from './api.js';
import { partOfCounts, partOfResults } from './address.js';
import { betterInterval } from './histogram.js';
import { begun, countParameters, pageParameters } from './parameters.js';
import { now, set } from './store.js';
import { zone } from './times.js';
import { Turns } from './turns.js';
import { signOut } from './signing.js';

const PATH = 'api/conversations';
const LONGEST_WAIT = 30; // seconds
export const RETRIED = new Set(['offline', 'busy', 'unavailable', 'slow']); // a search that fails so is tried again
const results = new Turns();
const counts = new Turns();
const opened = new Turns();
let interval = 'month';
let counting = ''; // the query (partOfCounts) whose counts are being requested
let retry = 0;
let early = null; // a request that was sent before the caller was known: { key, answer }

// Sends the first search at once, so that it does not wait for the request for the caller.
export function askEarly(asked, token) {
  const parameters = pageParameters(asked, zone());
  const answer = ask(PATH, { parameters, token });
  answer.catch(() => {}); // pageOf returns this promise, and its caller handles the error
  early = { key: keyOf(parameters, token), answer };
}

function pageOf(parameters, token, signal) {
  const mine = early;
  early = null;
  return mine?.key === keyOf(parameters, token) ? mine.answer : ask(PATH, { parameters, token, signal });
}

const keyOf = (parameters, token) => JSON.stringify([parameters, token]);

export function search() {
  clearTimeout(retry);
  const { token, asked } = now();
  if (!token) return;
  set({ isLoading: true, ...(now().exporting?.isDone ? { exporting: null } : {}) });
  results.take(
    (signal) => resultsOf((parameters) => pageOf(parameters, token, signal), asked),
    (answer) => {
      set({ answer, failure: null, isLoading: false });
      if (now().counts?.part !== partOfCounts(asked) && counting !== partOfCounts(asked)) count(answer.sent, token);
      show();
    },
    failed,
  );
  const isKnown = now().counts?.part === partOfCounts(asked);
  counts.end();
  counting = '';
  if (!isKnown && begun(asked.q) === null) count(asked, token); // else only the answer shows what to count
}

// The answer, with the query that it answers as `sent`. If no conversation has all words, the last may be a prefix.
async function resultsOf(page, asked) {
  const data = await page(pageParameters(asked, zone()));
  const plain = { ...data, asked, sent: asked };
  const q = data.pagination.total === 0 || data.matched === 'any' ? begun(asked.q) : null;
  if (q === null) return plain;
  const sent = { ...asked, q };
  const more = await page(pageParameters(sent, zone()));
  const isBetter = more.pagination.total > 0 && more.matched !== 'any';
  return isBetter ? { ...more, asked, sent, begun: q.match(/\S+$/u)[0] } : plain;
}

function count(asked, token) {
  const part = partOfCounts(now().asked);
  counting = part;
  counts.take(
    (signal) => countsOf(asked, token, signal),
    (data) => {
      counting = '';
      set({ counts: { ...data, part } });
    },
    () => { counting = ''; }, // only errors of the request for results are shown
  );
}

async function countsOf(asked, token, signal) {
  const load = () =>
    ask('api/conversations/count', { parameters: countParameters(asked, zone(), interval), token, signal });
  const data = await load();
  const better = betterInterval(data.facets.created_on.values);
  if (better === interval || data.facets.created_on.values.length === 0) return data;
  interval = better;
  return load();
}

function failed(error) {
  if (!(error instanceof Failure)) throw error;
  if (error.kind === 'expired') return signOut('expired');
  set({ failure: error, isLoading: false });
  if (RETRIED.has(error.kind)) {
    retry = setTimeout(search, 1000 * Math.min(Math.max(error.wait, 2), LONGEST_WAIT));
  }
}

export function stop() {
  clearTimeout(retry);
  for (const turns of [results, counts, opened]) turns.end();
}

// Opens the conversation that the address names. Requests it if it is not on the page of results.
export function show() {
  const { asked, answer, token, opened: shown } = now();
  const found = asked.open && answer && partOfResults(answer.asked) === partOfResults(asked)
    ? answer.items.find((item) => item.uid === asked.open) : undefined;
  if (!asked.open || found) opened.end();
  if (!asked.open) return set({ opened: null });
  if (found) return set({ opened: { uid: asked.open, item: found } });
  if (!token || (shown?.uid === asked.open && !shown.failure)) return undefined; // it is shown, or being requested
  set({ opened: { uid: asked.open, item: null } });
  const parameters = asked.organization_uid ? [['organization_uid', asked.organization_uid]] : [];
  return opened.take(
    (signal) => ask(`api/conversations/${encodeURIComponent(asked.open)}`, { parameters, token, signal }),
    (item) => set({ opened: { uid: asked.open, item } }),
    (failure) => set({ opened: { uid: asked.open, item: null, failure } }),
  );
}

// Asks for the page of results, the counts beside it, and the open conversation.

import { Failure, ask } from './api.js';
import { partOfCounts, partOfResults } from './address.js';
import { betterInterval } from './histogram.js';
import { countParameters, pageParameters } from './parameters.js';
import { now, set } from './store.js';
import { zone } from './times.js';
import { Turns } from './turns.js';
import { signOut } from './signing.js';

const LONGEST_WAIT = 30; // seconds
const results = new Turns();
const counts = new Turns();
const opened = new Turns();
let interval = 'month';
let retry = 0;

export function search() {
  clearTimeout(retry);
  const { token, asked } = now();
  if (!token) return;
  set({ isLoading: true });
  const path = 'api/conversations';
  results.take(
    (signal) => ask(path, { parameters: pageParameters(asked, zone()), token, signal }),
    (data) => {
      set({ answer: { ...data, asked }, failure: null, isLoading: false });
      show();
    },
    failed,
  );
  if (now().counts?.part !== partOfCounts(asked)) count(asked, token);
}

function count(asked, token) {
  counts.take(
    (signal) => counted(asked, token, signal),
    (data) => set({ counts: { ...data, part: partOfCounts(asked) } }),
    () => {}, // the page of results tells what is wrong
  );
}

async function counted(asked, token, signal) {
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
  if (['busy', 'unavailable', 'slow'].includes(error.kind)) {
    retry = setTimeout(search, 1000 * Math.min(Math.max(error.wait, 2), LONGEST_WAIT));
  }
}

export function stop() {
  clearTimeout(retry);
  for (const turns of [results, counts, opened]) turns.end();
}

// The conversation that the address names: from the page of results, or else asked for.
export function show() {
  const { asked, answer, token, opened: shown } = now();
  opened.end();
  if (!asked.open) return set({ opened: null });
  const found = answer && partOfResults(answer.asked) === partOfResults(asked)
    ? answer.items.find((item) => item.uid === asked.open) : undefined;
  if (found) return set({ opened: { uid: asked.open, item: found } });
  if (shown?.uid === asked.open && (shown.item || shown.failure === undefined)) return undefined;
  if (!token) return undefined;
  set({ opened: { uid: asked.open, item: null } });
  const parameters = asked.organization_uid ? [['organization_uid', asked.organization_uid]] : [];
  return opened.take(
    (signal) => ask(`api/conversations/${encodeURIComponent(asked.open)}`, { parameters, token, signal }),
    (item) => set({ opened: { uid: asked.open, item } }),
    (failure) => set({ opened: { uid: asked.open, item: null, failure } }),
  );
}

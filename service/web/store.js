// The state of the page. Views read it, actions change it, and after each change the page is drawn again.

import { NOTHING_ASKED } from './address.js';

let state = {
  asked: NOTHING_ASKED, // the query in the address: see address.js
  typed: '', // the text in the search box
  token: null,
  caller: null, // the answer of GET /api/caller
  signIn: null, // { why, failure, told } if the page asks for a token; `why` is null, 'expired', 'link' or 'refused'
  answer: null, // the last page of results; its `asked` is the query that it answers
  counts: null, // the last facets
  isLoading: false,
  failure: null, // the error of the last search
  opened: null, // the conversation in the detail pane
  completions: { items: [], active: -1, isOpen: false },
  picked: null, // the range that is being selected in the histogram: its first and last bar, and with keys `all` bars
  bar: null, // the index of the bar that the arrow keys have reached
  dialog: null, // 'help' or null
  filtersShown: false, // on narrow screens
  exporting: null,
  copied: null, // what was copied last
  language: 'en',
  theme: 'auto',
  shortcuts: true,
};
const listeners = new Set();
let isDue = false;

export const now = () => state;

export function set(patch) {
  state = { ...state, ...patch };
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    for (const listener of listeners) listener(state);
  });
}

export function onChange(listener) {
  listeners.add(listener);
}

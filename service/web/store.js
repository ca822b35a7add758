// The one place that holds what the page knows. Views read it, actions change it, and each change draws the page anew.

import { NOTHING_ASKED } from './address.js';

let state = {
  asked: NOTHING_ASKED, // what the address asks for: see address.js
  typed: '', // what stands in the search box
  token: null,
  caller: null, // of GET /api/caller
  signIn: null, // why the page asks for a token: null, 'expired', 'link', 'refused'
  answer: null, // the last page of results, with `asked`, to which it belongs
  counts: null, // the last facets
  isLoading: false,
  failure: null, // of the last search
  opened: null, // the conversation in the detail pane
  completions: { items: [], active: -1, isOpen: false },
  picked: null, // the range of bars of the histogram that is being picked: first, last, and by keys all bars
  bar: null, // the place of the bar that the keys are at
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

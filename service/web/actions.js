// The actions of a user. Some of them change the address, and the others change the store.

import { NOTHING_ASKED, changed, fromFragment, hrefOf, partOfResults } from './address.js';
import { now, set } from './store.js';
import { search, show } from './searching.js';
import { closed } from './completing.js';

let isTyping = false; // whether the newest history entry is an unfinished text, which the next text replaces

// Reads the query in the address, and requests its results unless they are shown already.
export function arrive({ isNew = false } = {}) {
  const asked = fromFragment(location.hash);
  const state = now();
  const isOther = partOfResults(asked) !== partOfResults(state.asked);
  set({ asked, ...(asked.q !== state.asked.q ? { typed: asked.q } : {}) });
  if (isOther || isNew || state.failure) search();
  show();
}

// Changes the address to that of a query: as a new history entry, or in place of the current one.
export function go(asked, { inPlace = false } = {}) {
  isTyping = false;
  const href = hrefOf(asked);
  if (href === (location.hash || '#')) return arrive();
  history[inPlace ? 'replaceState' : 'pushState'](null, '', href);
  return arrive();
}

export const change = (patch) => go(changed(now().asked, patch));

export function typed(text, { isDone = false } = {}) {
  const { asked } = now();
  set({ typed: text });
  if (text.trim() !== asked.q.trim()) {
    go(changed(asked, { q: text.trim() === '' ? '' : text }), { inPlace: isTyping });
    isTyping = true;
  }
  if (isDone) {
    isTyping = false;
    closed();
  }
}

export const openItem = (uid, options) => go({ ...now().asked, open: uid }, options);

export function closeItem() {
  const uid = now().asked.open;
  go({ ...now().asked, open: '' });
  queueMicrotask(() => rowOf(uid)?.focus());
}

export const toPage = (page, options) => go({ ...now().asked, page, open: '' }, options);

// Empties the query. Keeps its organization if the token covers it: somebody else's link may name another one.
export function startAfresh() {
  const { asked, caller } = now();
  const isOwn = caller.organizations.includes(asked.organization_uid);
  go({ ...NOTHING_ASKED, organization_uid: isOwn ? asked.organization_uid : '' });
}

export const rowOf = (uid) => document.querySelector(`.row[data-uid="${CSS.escape(uid)}"]`);

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelecting(text);
  }
  set({ copied: what });
  setTimeout(() => now().copied === what && set({ copied: null }), 2000);
}

// Browsers give access to the clipboard only to pages from this machine or over https.
function copyBySelecting(text) {
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

export function setTheme(theme) {
  localStorage.setItem('conversations.theme', theme);
  document.documentElement.dataset.theme = theme;
  set({ theme });
}

export function setShortcuts(shortcuts) {
  localStorage.setItem('conversations.shortcuts', shortcuts ? 'on' : 'off');
  set({ shortcuts });
}

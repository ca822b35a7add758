// What people do on the page. Moving to another address is one of the ways; the rest changes the store.

import { NOTHING_ASKED, changed, fromFragment, hrefOf, partOfResults } from './address.js';
import { now, set } from './store.js';
import { search, show } from './searching.js';
import { closed } from './completing.js';

let isTyping = false; // the newest entry of the history is what was typed so far, and is replaced by what is typed next

// Reads the address, and asks for what it says.
export function arrive({ isNew = false } = {}) {
  const asked = fromFragment(location.hash);
  const state = now();
  const isOther = partOfResults(asked) !== partOfResults(state.asked);
  set({ asked, ...(asked.q !== state.asked.q ? { typed: asked.q } : {}) });
  if (isOther || isNew || state.failure) search();
  show();
}

// Another address: a new entry of the history, or in place of the one that is there.
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

// Keeps the organization, unless the token does not cover it: it came with somebody else's link.
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

// For pages that are neither encrypted nor on this machine: these have no clipboard.
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

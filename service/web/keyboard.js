// Single keys, as in mail programs. They can be switched off, and do nothing while somebody types.

import { closeItem, openItem, rowOf, toPage } from './actions.js';
import { now, set } from './store.js';

const KEYS = {
  '/': focusBox, j: () => step(1), k: () => step(-1), n: () => turn(1), p: () => turn(-1),
  '?': () => set({ dialog: 'help' }),
};

export function listen() {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !now().token) return;
    if (event.key === 'Escape') return escape(event);
    if (!now().shortcuts || now().dialog || isField(event.target)) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

const isField = (target) => target.closest?.('input, textarea, select, [contenteditable]') !== null;

function focusBox() {
  const box = document.querySelector('#box');
  box.focus();
  box.select();
}

function escape(event) {
  const state = now();
  if (state.dialog) return set({ dialog: null });
  if (event.defaultPrevented) return undefined; // the search box closed its completions
  if (state.filtersShown) return set({ filtersShown: false });
  if (state.asked.open) return closeItem();
  return document.activeElement?.blur();
}

function step(by) {
  const { answer, asked } = now();
  const items = answer?.items ?? [];
  if (items.length === 0) return;
  const uid = asked.open || document.activeElement?.dataset?.uid;
  const at = items.findIndex((item) => item.uid === uid);
  const next = items[Math.min(Math.max(at < 0 ? 0 : at + by, 0), items.length - 1)];
  if (asked.open) openItem(next.uid, { inPlace: true });
  queueMicrotask(() => rowOf(next.uid)?.focus());
}

function turn(by) {
  const { answer, asked } = now();
  const page = asked.page + by;
  if (page >= 1 && page <= (answer?.pagination.total_pages ?? 1)) toPage(page);
}

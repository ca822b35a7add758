// The keys, and what the search box understands.

import { html } from '../vendor/lit-html/lit-html.js';
import { setShortcuts } from '../actions.js';
import { ICONS } from '../icons.js';
import { set } from '../store.js';
import { t } from '../words.js';

const KEYS = [['/'], ['j', 'k'], ['Enter'], ['Escape'], ['n', 'p'], ['?']];
const BOX = [
  ['invoice overdue', 'words'], ['"invoice overdue"', 'phrase'], ['invo*', 'begin'], ['-draft', 'not'], ['invoice OR receipt', 'or'],
  ['from:ada', 'from'], ['status:active,draft', 'field'], ['is:unread has:attachment', 'is'], ['after:-30d', 'time'],
];

export const help = (state) => html`
  <dialog class="help card" aria-labelledby="help-title" @close=${close} @click=${closeOutside}>
    <div class="tools"><h2 id="help-title" tabindex="-1">${t('help.title')}</h2><span class="space"></span>
      <button class="plain" @click=${close} aria-label=${t('close')}>${ICONS.close}</button></div>
    <dl class="keys">${KEYS.map((keys) => html`<div><dt>${keys.map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${t(`key.${keys[0]}`)}</dd></div>`)}</dl>
    <label class="check"><input type="checkbox" .checked=${state.shortcuts} @change=${(event) => setShortcuts(event.target.checked)}> ${t('help.shortcuts')}</label>
    <h3>${t('help.box')}</h3>
    <dl class="syntax">${BOX.map(([text, key]) => html`<div><dt><code>${text}</code></dt><dd>${t(`syntax.${key}`)}</dd></div>`)}</dl>
    ${opensItself()}
  </dialog>`;

let before = null; // the element that had the focus

function opensItself() {
  queueMicrotask(() => {
    const dialog = document.querySelector('dialog.help');
    if (!dialog || dialog.open) return;
    before = document.activeElement;
    dialog.showModal();
    document.getElementById('help-title').focus();
  });
  return '';
}

function close() {
  set({ dialog: null });
  queueMicrotask(() => before?.isConnected && before.focus());
}

const closeOutside = (event) => event.target === event.currentTarget && close();

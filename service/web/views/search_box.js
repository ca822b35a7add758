// The search box: its text, the completions, and the errors and warnings of the service about the text.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { live } from '../vendor/lit-html/directives/live.js';
import { typed } from '../actions.js';
import { completed } from '../box_fields.js';
import { closed, complete } from '../completing.js';
import { pieces, warned } from '../highlights.js';
import { ICONS } from '../icons.js';
import { now, set } from '../store.js';
import { aboutField, number, t } from '../words.js';

const SEARCH_PAUSE = 150; // milliseconds after the last key until the search starts by itself
let timer = 0;

export function box(state) {
  const { items, active, isOpen } = state.completions;
  const told = toldAbout(state);
  return html`
    <search class="box ${isOpen ? 'is-open' : ''}">
      <form role="search" @submit=${submit}>
        <label class="unseen" for="box">${t('box.label')}</label>
        <span class="lens">${ICONS.search}</span>
        <div class="mirror" aria-hidden="true">${marked(state.typed, told.filter((one) => one.position !== undefined))}</div>
        <input id="box" type="text" role="combobox" dir="auto" autocomplete="off" autocapitalize="off" spellcheck="false"
          enterkeyhint="search" maxlength="512" placeholder=${t('box.placeholder')} .value=${live(state.typed)}
          aria-expanded=${isOpen ? 'true' : 'false'} aria-controls="completions" aria-autocomplete="list"
          aria-activedescendant=${active >= 0 ? `completion-${active}` : nothing} aria-invalid=${told.length ? 'true' : nothing}
          aria-describedby=${told.length ? 'told' : nothing}
          @input=${input} @keydown=${keydown} @blur=${closed} @scroll=${scroll} @click=${completeHere}>
        ${state.typed === '' ? html`<kbd class="hint" aria-hidden="true">/</kbd>` : html`
          <button type="button" class="plain clear" @click=${clear} aria-label=${t('box.clear')}>${ICONS.close}</button>`}
      </form>
      <ul id="completions" role="listbox" aria-label=${t('box.completions')} ?hidden=${!isOpen}>
        ${items.map((item, place) => option(item, place, active))}
      </ul>
      ${told.length === 0 ? nothing : html`<ul id="told" class="told">
        ${told.map((one) => html`<li class=${one.kind}>${one.text ? html`<q dir="auto">${one.text}</q> ` : nothing}${one.message}</li>`)}
      </ul>`}
    </search>`;
}

// Warnings are about the text of the last search. While a user changes it, they would mark the wrong words.
function toldAbout({ typed: text, answer, failure }) {
  if (failure?.kind === 'invalid') {
    return failure.details.map((one) => ({ kind: 'error', message: `${one.parameter}: ${one.message}` }));
  }
  if (!answer?.warnings || answer.asked.q !== text) return [];
  return answer.warnings.map((one) => ({ ...one, kind: 'warning' }));
}

const marked = (text, told) =>
  pieces(text, warned(told)).map((piece) => (piece.isMarked ? html`<span class="wrong">${piece.text}</span>` : piece.text));

const option = (item, place, active) => html`
  <li id="completion-${place}" role="option" class=${item.kind} aria-selected=${place === active ? 'true' : 'false'}
    @mousedown=${(event) => pick(event, item)}>
    <span class="kind">${t(`completion.${item.kind}`)}</span>
    <span class="name" dir="auto">${item.shown ?? item.text}</span>
    <span class="about">${item.kind === 'field' ? aboutField(item.name) : item.count === undefined ? '' : number(item.count)}</span>
  </li>`;

function input(event) {
  const { value, selectionStart } = event.target;
  set({ typed: value });
  clearTimeout(timer);
  timer = setTimeout(() => typed(now().typed), SEARCH_PAUSE);
  complete(value, selectionStart);
}

const completeHere = (event) => now().typed && complete(event.target.value, event.target.selectionStart);

function submit(event) {
  event.preventDefault();
  clearTimeout(timer);
  typed(now().typed, { isDone: true });
}

function clear() {
  clearTimeout(timer);
  typed('', { isDone: true });
  document.getElementById('box').focus();
}

function keydown(event) {
  const { items, active, isOpen } = now().completions;
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (move && isOpen) {
    event.preventDefault();
    const places = items.length + 1; // each item, and no item
    set({ completions: { ...now().completions, active: ((active + 1 + move + places) % places) - 1 } });
  } else if (isOpen && active >= 0 && (event.key === 'Enter' || (event.key === 'Tab' && !event.shiftKey))) {
    pick(event, items[active]);
  } else if (event.key === 'Escape' && isOpen) {
    event.preventDefault();
    closed();
  } else if (event.key === 'ArrowDown') {
    event.preventDefault();
    document.querySelector('.row')?.focus();
  }
}

function pick(event, item) {
  event.preventDefault();
  clearTimeout(timer);
  const field = document.getElementById('box');
  const result = completed(field.value, field.selectionStart, now().completions.start, item.text, item.isOpenEnded);
  set({ typed: result.text });
  closed();
  field.value = result.text;
  field.setSelectionRange(result.cursor, result.cursor);
  field.focus();
  if (item.isOpenEnded) complete(result.text, result.cursor);
  else typed(result.text);
}

function scroll(event) {
  event.target.previousElementSibling.scrollLeft = event.target.scrollLeft;
}

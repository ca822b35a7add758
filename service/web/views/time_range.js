// When the conversations began: two dates, and a histogram in which a range can be selected by mouse, finger or keys.
// For a screen reader, the bars are a list in which several neighbours can be selected.

import { html, nothing, svg } from '../vendor/lit-html/lit-html.js';
import { changed, hrefOf } from '../address.js';
import { change } from '../actions.js';
import { bars, isIn, rangeOf } from '../histogram.js';
import { now, set } from '../store.js';
import { written } from '../times.js';
import { number, t } from '../words.js';

const HEIGHT = 48;
const MOVES = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1, Home: -Infinity, End: Infinity };

export function timeRange({ counts, asked, picked, bar, language }) {
  const found = bars(counts?.facets.created_on.values ?? []);
  const range = picked ? rangeOf(picked.first, picked.last) : asked;
  return html`<fieldset class="time" data-filter="created_on">
    <legend>${t('filter.created_on')}</legend>
    ${found.length ? chart(found, range, bar, language) : html`<div class="no-chart"></div>`}
    <div class="dates">
      ${date('from', asked)} ${date('to', asked)}
    </div>
    ${asked.from || asked.to ? html`<a href=${hrefOf(changed(asked, { from: '', to: '' }))}>${t('time.all')}</a>` : nothing}
  </fieldset>`;
}

function chart(found, { from, to }, bar, language) {
  const most = Math.max(...found.map((one) => one.count));
  const label = t('time.chart', { from: written(found[0].from, language), to: written(found.at(-1).to, language) });
  const isRange = Boolean(from || to);
  const chosen = found.map((one) => isRange && isIn(one, from, to));
  const at = Math.min(bar ?? Math.max(chosen.lastIndexOf(true), 0), found.length - 1);
  return html`<svg class="histogram" viewBox="0 0 ${found.length * 10} ${HEIGHT}" preserveAspectRatio="none"
    role="listbox" aria-multiselectable="true" aria-orientation="horizontal" tabindex="0" aria-label=${label} aria-activedescendant="bar-${at}"
    @keydown=${(event) => keydown(event, found, at)} @blur=${cancel}
    @pointerdown=${(event) => begin(event, found)} @pointermove=${(event) => extend(event, found)} @pointerup=${finish} @pointercancel=${cancel}>
    ${found.map((one, place) => drawn(one, place, most, { isChosen: chosen[place], isShown: !isRange || chosen[place], isAt: place === at }, language))}
  </svg>`;
}

function drawn(bar, place, most, { isChosen, isShown, isAt }, language) {
  const height = bar.count === 0 ? 0 : Math.max(2, (bar.count / most) * HEIGHT);
  const label = `${days(bar, language)}: ${number(bar.count)}`;
  return svg`<g id="bar-${place}" class="${isShown ? 'chosen' : ''} ${isAt ? 'is-at' : ''}" role="option" aria-selected=${isChosen ? 'true' : 'false'} aria-label=${label}>
    <rect class="all" x=${place * 10} y="0" width="10" height=${HEIGHT}><title>${label}</title></rect>
    <rect class="bar" x=${place * 10 + 1} y=${HEIGHT - height} width="8" height=${height}/></g>`;
}

export const days = ({ from, to }, language) =>
  (from === to ? written(from, language) : `${written(from, language)} – ${written(to, language)}`);

function keydown(event, found, at) {
  const { picked } = now();
  if (event.key in MOVES) {
    const to = Math.min(Math.max(at + MOVES[event.key], 0), found.length - 1);
    set({ bar: to, picked: event.shiftKey ? { first: picked?.first ?? found[at], last: found[to], all: found } : null });
  } else if (event.key === 'Enter' || event.key === ' ') {
    change(rangeOf(picked?.first ?? found[at], picked?.last ?? found[at]));
    set({ picked: null });
  } else if (event.key === 'Escape' && picked) {
    set({ picked: null });
  } else return;
  event.preventDefault();
}

function barAt(event, found) {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  const place = Math.floor(((event.clientX - left) / width) * found.length);
  return found[Math.min(Math.max(place, 0), found.length - 1)];
}

function begin(event, found) {
  if (event.button !== 0) return;
  event.currentTarget.setPointerCapture(event.pointerId);
  const bar = barAt(event, found);
  set({ bar: found.indexOf(bar), picked: { first: bar, last: bar } });
}

function extend(event, found) {
  const { picked } = now();
  const bar = picked && !picked.all && barAt(event, found);
  if (!bar || bar.from === picked.last.from) return;
  set({ bar: found.indexOf(bar), picked: { ...picked, last: bar } });
}

function finish() {
  const { picked } = now();
  if (!picked) return;
  set({ picked: null });
  change(rangeOf(picked.first, picked.last));
}

const cancel = () => now().picked && set({ picked: null });

const date = (name, asked) => html`<span aria-hidden="true">${t(`filter.${name}`)}</span> <input type="date" name=${name} aria-label=${t(`time.${name}`)} .value=${asked[name].length === 10 ? asked[name] : ''}
  @change=${(event) => change({ [name]: event.target.value })}>`;

// When the conversations began: a histogram to pick a range from by mouse or finger, and two dates for the keyboard.

import { html, nothing, svg } from '../vendor/lit-html/lit-html.js';
import { changed, hrefOf } from '../address.js';
import { change } from '../actions.js';
import { bars, isIn, rangeOf } from '../histogram.js';
import { set } from '../store.js';
import { written } from '../times.js';
import { number, t } from '../words.js';

const HEIGHT = 48;
let picked = null; // { first, last } while the pointer is down

export function timeRange({ counts, asked, language }) {
  const found = bars(counts?.facets.created_on.values ?? []);
  return html`<fieldset class="time" data-filter="created_on">
    <legend>${t('filter.created_on')}</legend>
    ${found.length ? chart(found, picked ? rangeOf(picked.first, picked.last) : asked, language) : html`<div class="no-chart"></div>`}
    <div class="dates">
      ${date('from', asked)} ${date('to', asked)}
    </div>
    ${asked.from || asked.to ? html`<a href=${hrefOf(changed(asked, { from: '', to: '' }))}>${t('time.all')}</a>` : nothing}
  </fieldset>`;
}

function chart(found, { from, to }, language) {
  const most = Math.max(...found.map((bar) => bar.count));
  const label = t('time.chart', { from: written(found[0].from, language), to: written(found.at(-1).to, language) });
  return html`<svg class="histogram" viewBox="0 0 ${found.length * 10} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${label}
    @pointerdown=${(event) => begin(event, found)} @pointermove=${(event) => extend(event, found)} @pointerup=${finish} @pointercancel=${cancel}>
    ${found.map((bar, place) => drawn(bar, place, most, from || to ? isIn(bar, from, to) : true, language))}
  </svg>`;
}

function drawn(bar, place, most, isChosen, language) {
  const height = bar.count === 0 ? 0 : Math.max(2, (bar.count / most) * HEIGHT);
  const days = bar.from === bar.to ? written(bar.from, language) : `${written(bar.from, language)} – ${written(bar.to, language)}`;
  return svg`<g class=${isChosen ? 'chosen' : ''}><rect class="all" x=${place * 10} y="0" width="10" height=${HEIGHT}><title>${days}: ${number(bar.count)}</title></rect>
    <rect class="bar" x=${place * 10 + 1} y=${HEIGHT - height} width="8" height=${height}/></g>`;
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
  picked = { first: bar, last: bar };
  set({});
}

function extend(event, found) {
  const bar = picked && barAt(event, found);
  if (!bar || bar.from === picked.last.from) return;
  picked = { ...picked, last: bar };
  set({});
}

function finish() {
  if (!picked) return;
  const range = rangeOf(picked.first, picked.last);
  picked = null;
  change(range);
}

function cancel() {
  picked = null;
  set({});
}

const date = (name, asked) => html`<span aria-hidden="true">${t(`filter.${name}`)}</span> <input type="date" name=${name} aria-label=${t(`time.${name}`)} .value=${asked[name].length === 10 ? asked[name] : ''}
  @change=${(event) => change({ [name]: event.target.value })}>`;

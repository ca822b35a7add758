// The column of filters: saved views, counts by value, and the histogram.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { NOTHING_ASKED, hrefOf, partOfCounts, toggled } from '../address.js';
import { go } from '../actions.js';
import { now, set } from '../store.js';
import { ICONS } from '../icons.js';
import { number, t } from '../words.js';
import { shown } from './chips.js';
import { timeRange } from './time_range.js';

const SHORT = 6; // values of a filter that are shown at once
const VIEWS = [['unread', { is_read: 'false' }], ['unassigned', { agent_uid: ['none'] }], ['no_reply', { has_reply: 'false' }]];
const CHOICES = ['status', 'is_read', 'channel', 'category', 'agent_uid', 'direction'];
const unfolded = new Set();

export const filters = (state) => html`
  <button class="show-filters" @click=${toggle} aria-expanded=${state.filtersShown ? 'true' : 'false'} aria-controls="filters">
    ${ICONS.filter} ${t('filters')}</button>
  <nav id="filters" class="filters ${state.filtersShown ? 'is-shown' : ''}" aria-label=${t('filters')}>
    <h2>${t('views')}</h2>
    <ul class="views">
      <li>${view(state.asked, 'all', {})}</li>
      ${VIEWS.map(([name, patch]) => html`<li>${view(state.asked, name, patch)}</li>`)}
    </ul>
    <div class="facets ${isOld(state) ? 'is-old' : ''}">
      ${timeRange(state)}
      ${CHOICES.map((name) => facet(state, name))}
    </div>
  </nav>`;

const isOld = ({ counts, asked, failure }) => !failure && counts?.part !== partOfCounts(asked);
const toggle = () => set({ filtersShown: !now().filtersShown });

function view(asked, name, patch) {
  const target = { ...NOTHING_ASKED, organization_uid: asked.organization_uid, per_page: asked.per_page, ...patch };
  const isHere = partOfCounts(target) === partOfCounts(asked);
  return html`<a href=${hrefOf(target)} aria-current=${isHere ? 'page' : nothing}>${t(`views.${name}`)}</a>`;
}

function facet(state, name) {
  const values = valuesOf(state, name);
  if (values.length === 0) return nothing;
  const isWhole = unfolded.has(name) || values.length <= SHORT + 1;
  const listed = isWhole ? values : values.filter((one, place) => place < SHORT || one.isChosen);
  return html`<fieldset data-filter=${name}>
    <legend>${t(`filter.${name}`)}</legend>
    ${listed.map((one) => value(state.asked, name, one))}
    ${isWhole ? nothing : html`<button class="plain more" @click=${() => unfold(name)}>${t('filters.more', { n: values.length - listed.length })}</button>`}
  </fieldset>`;
}

// The values with their counts, "none" if conversations lack a value, and chosen values that no conversation has.
function valuesOf({ counts, asked }, name) {
  const found = counts?.facets[name];
  const chosen = [asked[name]].flat().filter(Boolean);
  const values = (found?.values ?? []).map((one) => ({ value: String(one.value), count: one.count }));
  if (found?.none) values.push({ value: 'none', count: found.none });
  const missing = chosen.filter((one) => !values.some(({ value: known }) => known === one));
  return [...values, ...missing.map((one) => ({ value: one, count: 0 }))].map((one) => ({ ...one, isChosen: chosen.includes(one.value) }));
}

const value = (asked, name, one) => html`
  <button class="value" aria-pressed=${one.isChosen ? 'true' : 'false'} title=${one.value}
    @click=${() => go(toggled(asked, name, one.value))}>
    <span class="name" dir="auto">${shown(name, one.value)}</span> <span class="count">${number(one.count)}</span>
  </button>`;

function unfold(name) {
  unfolded.add(name);
  set({});
}


// The filters in force, each of which can be removed.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { FILTERS, LISTS, NOTHING_ASKED, changed, hrefOf, toggled, withoutFilters } from '../address.js';
import { ICONS } from '../icons.js';
import { written } from '../times.js';
import { named, t } from '../words.js';

export function chips({ asked, language }) {
  const found = FILTERS.flatMap((name) => chipsOf(asked, name, language));
  if (found.length === 0) return nothing;
  return html`<ul class="chips" aria-label=${t('filters.active')}>
    ${found.map((chip) => html`<li><a class="chip" href=${hrefOf(chip.without)} title=${chip.whole}
      aria-label=${t('filters.remove', { filter: chip.whole })}><span dir="auto">${chip.text}</span>${ICONS.close}</a></li>`)}
    ${found.length > 1 ? html`<li><a class="chip all" href=${hrefOf(withoutFilters(asked))}>${t('filters.clear')}</a></li>` : nothing}
  </ul>`;
}

function chipsOf(asked, name, language) {
  if (LISTS.includes(name)) return asked[name].map((value) => chip(name, shown(name, value), toggled(asked, name, value), name === 'agent_uid' ? value : undefined));
  if (!asked[name]) return [];
  const text = name === 'from' || name === 'to' ? written(asked[name], language) : named(name, asked[name]);
  return [chip(name, text, changed(asked, { [name]: NOTHING_ASKED[name] }))];
}

const chip = (name, text, without, whole = text) =>
  ({ text: `${named('filter', name)}: ${text}`, whole: `${named('filter', name)}: ${whole}`, without });

// Agents have no names here, and the first 8 characters of their uids are enough to distinguish them.
export const shown = (name, value) =>
  name === 'agent_uid' && value.length === 36 ? value.slice(0, 8) : named(name, value);

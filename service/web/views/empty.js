// If nothing was found: changes of the search that would find something.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { NOTHING_ASKED, changed, hrefOf, isEmpty, isFiltered, withoutFilters } from '../address.js';
import { named, t } from '../words.js';

const OWN_NAMES = { 'created_on[gte]': 'from', 'created_on[lte]': 'to' };

export function empty({ asked, answer }) {
  if (answer.pagination.total > 0) {
    const last = { ...asked, open: '', page: answer.pagination.total_pages };
    return html`<div class="empty"><h2>${t('past_end')}</h2><p><a href=${hrefOf(last)}>${t('to_last')}</a></p></div>`;
  }
  if (isEmpty(asked)) return html`<div class="empty"><h2>${t('no_conversations')}</h2><p>${t('no_conversations.help')}</p>
    <p><code>conversations import-mail FILE --organization UUID</code></p></div>`;
  return html`<div class="empty"><h2>${t('nothing')}</h2>${alternatives(asked, answer.suggestions)}</div>`;
}

function alternatives(asked, suggestions) {
  const meant = suggestions?.did_you_mean;
  const found = (suggestions?.without ?? []).filter((way) => way.total > 0);
  const ways = found.map((way) => withoutOne(asked, way)).filter(Boolean);
  return html`
    ${meant?.q ? html`<p class="meant">${t('did_you_mean')}
      <a dir="auto" href=${hrefOf(meant.with_filters ? changed(asked, { q: meant.q }) : withoutFilters({ ...asked, q: meant.q }))}>${meant.q}</a>
      <span class="quiet">${t('found', { n: meant.total })}</span></p>` : nothing}
    ${ways.length ? html`<p>${t('drop')}</p><ul class="ways">${ways.map((way) => html`
      <li><a href=${way.href}>${way.text}</a> <span class="quiet">${t('found', { n: way.total })}</span></li>`)}</ul>` : nothing}
    ${isFiltered(asked) ? html`<p><a href=${hrefOf(withoutFilters(asked))}>${t('drop_all')}</a></p>` : nothing}
    ${!meant && ways.length === 0 ? html`<p>${t('nothing.help')}</p>` : nothing}`;
}

function withoutOne(asked, { parameter, total }) {
  const base = parameter.replace('[in]', '');
  const name = OWN_NAMES[parameter] ?? base;
  if (!(name in NOTHING_ASKED)) return null;
  const text = name === 'q' ? t('drop.q') : t('drop.filter', { filter: named('filter', name) });
  return { text, total, href: hrefOf(changed(asked, { [name]: NOTHING_ASKED[name] })) };
}

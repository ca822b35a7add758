// One conversation with all of its fields.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { NOTHING_ASKED, changed, hrefOf, partOfResults, toggled } from '../address.js';
import { closeItem, copy } from '../actions.js';
import { quotedName } from '../box_fields.js';
import { ICONS } from '../icons.js';
import { exact, relative } from '../times.js';
import { named, number, t } from '../words.js';
import { subject } from './results.js';

const CHOICES = ['status', 'channel', 'direction'];
const UIDS = ['uid', 'organization_uid', 'agent_uid', 'party_uid', 'created_by_uid', 'parent_conversation_uid'];
const TIMES = ['created_on', 'updated_on', 'sent_at'];
const LISTS = { to_emails: 'to', cc_emails: 'cc', labels: 'label' };
let focused = ''; // the conversation in the pane; '' while the pane is closed, so that it takes the focus when it opens

export function detail(state) {
  const { asked, opened } = state;
  if (!asked.open) focused = '';
  if (!asked.open || !opened) return nothing;
  const isLink = document.activeElement?.classList.contains('row');
  if (opened.item && focused === '' && (isLink || document.activeElement === document.body)) queueMicrotask(focusPane);
  if (opened.item) focused = opened.uid;
  return html`<aside class="detail" aria-labelledby="detail-title">
    <div class="tools">
      <button class="plain" id="close-detail" @click=${closeItem} aria-label=${t('close')}>${ICONS.close}</button>
      <span class="space"></span>
      ${copier(state, 'uid', opened.uid, t('copy.uid'), ICONS.copy)}
      ${copier(state, 'link', linkOf(asked), t('copy.link'), ICONS.link)}
    </div>
    ${opened.item ? allFields(opened.item, state) : html`<h2 id="detail-title" tabindex="-1">${opened.failure ? t(`failure.${opened.failure.kind}`) : t('loading')}</h2>`}
  </aside>`;
}

const focusPane = () => document.getElementById('detail-title')?.focus({ preventScroll: true });

const linkOf = (asked) =>
  new URL(hrefOf({ ...NOTHING_ASKED, organization_uid: asked.organization_uid, open: asked.open }), document.baseURI).href;

const copier = ({ copied }, what, text, label, icon) => html`<button class="copy-${what}" @click=${() => copy(text, what)}>
  ${copied === what ? ICONS.done : icon} <span>${copied === what ? t('copied') : label}</span></button>`;

function allFields(item, state) {
  const { asked, answer, language } = state;
  const isOfAnswer = answer && partOfResults(answer.asked) === partOfResults(asked);
  const ranges = isOfAnswer ? (answer.highlights?.[item.uid]?.subject.ranges ?? []) : [];
  const { metadata } = item;
  return html`
    <h2 id="detail-title" tabindex="-1" dir="auto">${subject(item, ranges)}</h2>
    <p class="from" dir="auto">${metadata.from_name ? html`<strong>${metadata.from_name}</strong> ` : nothing}
      ${metadata.from_email ? html`<a href=${hrefOf(changed(asked, { q: `from:${quotedName(metadata.from_email)}` }))}>${metadata.from_email}</a>` : nothing}</p>
    ${metadata.snippet ? html`<blockquote dir="auto">${metadata.snippet}</blockquote>` : nothing}
    <dl>
      ${CHOICES.map((name) => field(name, item[name] === null ? null : filterLink(asked, name, item[name], named(name, item[name]))))}
      ${field('is_read', yesOrNo(item.is_read))} ${field('has_reply', yesOrNo(item.has_reply))}
      ${field('message_count', item.message_count === null ? null : number(item.message_count))}
      ${field('categories', item.categories.length ? item.categories.map((one) => filterLink(asked, 'category', one, one)) : null)}
      ${TIMES.map((name) => field(name, item[name] && html`<time datetime=${item[name]}>${exact(item[name], language)}</time>
        <span class="quiet">${relative(item[name], Date.now(), language)}</span>`))}
      ${Object.entries(LISTS).map(([name, box]) => field(name, metadata[name].length ? metadata[name].map((one) => html`
        <a dir="auto" class="one" href=${hrefOf(changed(asked, { q: `${box}:${quotedName(one)}` }))}>${one}</a>`) : null))}
      ${field('has_attachments', yesOrNo(metadata.has_attachments))}
      ${field('attachment_count', metadata.attachment_count === null ? null : number(metadata.attachment_count))}
      ${UIDS.map((name) => field(name, item[name] && uid(asked, name, item[name])))}
      ${['provider_message_id', 'thread_id', 'history_id'].map((name) => field(name, metadata[name] && html`<code>${metadata[name]}</code>`))}
    </dl>`;
}

const field = (name, value) => html`<div><dt>${t(`field.${name}`)}</dt><dd>${value ?? html`<span class="quiet">–</span>`}</dd></div>`;

const yesOrNo = (value) => (value === null || value === undefined ? null : t(value ? 'yes' : 'no'));

const filterLink = (asked, name, value, text) => html`<a class="one" dir="auto"
  href=${hrefOf(toggled({ ...asked, [name]: asked[name].filter((one) => one !== value) }, name, value))}>${text}</a>`;

const BOX_NAMES = { party_uid: 'party', created_by_uid: 'creator' };

function uid(asked, name, value) {
  const code = html`<code>${value}</code>`;
  if (name === 'agent_uid') return html`<a href=${hrefOf(changed(asked, { agent_uid: [value] }))}>${code}</a>`;
  if (name === 'parent_conversation_uid') return html`<a href=${hrefOf({ ...asked, open: value })}>${code}</a>`;
  return name in BOX_NAMES ? html`<a href=${hrefOf(changed(asked, { q: `${BOX_NAMES[name]}:${value}` }))}>${code}</a>` : code;
}

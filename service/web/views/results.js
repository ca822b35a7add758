// The list of results.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { repeat } from '../vendor/lit-html/directives/repeat.js';
import { hrefOf } from '../address.js';
import { pieces } from '../highlights.js';
import { ICONS } from '../icons.js';
import { exact, relative } from '../times.js';
import { named, number, t } from '../words.js';
import { empty } from './empty.js';
import { failed } from './failed.js';

export function results(state) {
  const { answer, failure } = state;
  const told = failure ? failed(failure) : nothing;
  if (!answer) return html`${told}${failure ? nothing : skeleton()}`;
  if (answer.items.length === 0) return html`${told}${empty(state)}`;
  const said = answer.begun ? t('matched.begun', { word: answer.begun }) : answer.matched === 'any' ? t('matched.any') : '';
  const note = said ? html`<p class="note" id="matched">${said}</p>` : nothing;
  const moment = Date.now();
  return html`${told}${note}
    <ul class="rows" aria-label=${t('results')}>
      ${repeat(answer.items, (item) => item.uid, (item) => row(item, state, moment))}
    </ul>`;
}

function row(item, state, moment) {
  const { answer, asked, language } = state;
  const isOpen = item.uid === asked.open;
  return html`<li>
    <a class="row ${item.is_read === false ? 'unread' : ''} ${isOpen ? 'is-open' : ''}" data-uid=${item.uid}
      href=${hrefOf({ ...answer.asked, open: item.uid })} aria-current=${isOpen ? 'true' : nothing}>
      <span class="channel" title=${named('channel', item.channel ?? 'none')}>${ICONS[item.channel] ?? ICONS.unknown}
        <span class="unseen">${named('channel', item.channel ?? 'none')}${item.is_read === false ? `, ${named('is_read', 'false')}` : ''}</span></span>
      <span class="sender ${isKnown(item) ? '' : 'unknown'}" dir="auto">${senderOf(item)}</span>
      <span class="text">
        <span class="first">
          <span class="subject" dir="auto">${subject(item, answer.highlights?.[item.uid]?.subject.ranges ?? [])}</span>
          ${item.metadata.snippet ? nothing : labels(item)}
        </span>
        ${item.metadata.snippet ? html`<span class="second"><span class="snippet" dir="auto">${item.metadata.snippet}</span>${labels(item)}</span>` : nothing}
      </span>
      <span class="facts">
        ${item.metadata.has_attachments ? html`<span title=${t('attachments')}>${ICONS.clip}<span class="unseen">${t('attachments')}</span></span>` : nothing}
        ${item.has_reply ? html`<span title=${t('replied')}>${ICONS.reply}<span class="unseen">${t('replied')}</span></span>` : nothing}
        ${item.message_count > 1 ? html`<span class="count" title=${t('messages', { n: item.message_count })}>${number(item.message_count)}
          <span class="unseen">${t('messages', { n: item.message_count })}</span></span>` : nothing}
      </span>
      <time datetime=${item.updated_on} title=${exact(item.updated_on, language)}>${relative(item.updated_on, moment, language)}</time>
    </a></li>`;
}

// The labels are in the second line if there is one, so that the subject has the whole first line.
const labels = (item) => html`
  ${item.status && item.status !== 'active' ? html`<span class="label status">${named('status', item.status)}</span>` : nothing}
  ${[...item.categories, ...item.metadata.labels].slice(0, 3).map((one) => html`<span class="label" dir="auto">${one}</span>`)}`;

const isKnown = ({ metadata }) => Boolean(metadata.from_name || metadata.from_email);

export const senderOf = (item) => item.metadata.from_name || item.metadata.from_email || t('no_sender');

export const subject = (item, ranges) =>
  item.subject ? pieces(item.subject, ranges).map((piece) => (piece.isMarked ? html`<mark>${piece.text}</mark>` : piece.text))
    : html`<em>${t('no_subject')}</em>`;

export const skeleton = () => html`<ul class="rows skeleton" aria-hidden="true">${Array.from({ length: 8 }, () => html`<li><span class="row"></span></li>`)}</ul>`;

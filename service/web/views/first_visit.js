// For whom this is new: three searches that find something, made from what is on the screen.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { changed, hrefOf } from '../address.js';
import { quotedName } from '../boxfields.js';
import { t } from '../words.js';

export function firstVisit({ asked, answer }) {
  const items = answer?.items ?? [];
  if (items.length === 0) return nothing;
  return html`<aside class="first-visit" aria-label=${t('first.title')}>
    <span>${t('first.title')}</span>
    ${examples(items).map((q) => html`<a class="example" dir="auto" href=${hrefOf(changed(asked, { q }))}>${q}</a>`)}
  </aside>`;
}

export function examples(items) {
  const sender = items.map((item) => item.metadata.from_email).find(Boolean);
  const category = items.flatMap((item) => item.categories)[0];
  return [
    wordOf(items.map((item) => item.subject ?? '')),
    sender ? `from:${quotedName(sender)}` : 'has:attachment',
    category ? `is:read category:${quotedName(category)}` : 'is:unread status:active',
  ].filter(Boolean);
}

// A plain word of the subjects, of middling length.
function wordOf(subjects) {
  const words = subjects.flatMap((subject) => subject.replace(/\[[^\]]*\]/g, ' ').match(/(?<![\w'@./-])\p{L}{5,10}(?![\w'@./-])/gu) ?? []);
  return (words.find((word) => word.length > 6) ?? words[0] ?? '').toLowerCase();
}

// For new users: three example searches, made from the conversations on the screen so that they find something.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { changed, hrefOf } from '../address.js';
import { quotedName } from '../box_fields.js';
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
  const labelled = items.find((item) => item.categories.length > 0 && item.status);
  return [
    wordOf(items.map((item) => item.subject ?? '')),
    sender ? `from:${quotedName(sender)}` : stateOf(items[0]),
    labelled ? `status:${labelled.status} category:${quotedName(labelled.categories[0])}` : `after:${items[0].updated_on.slice(0, 10)}`,
  ];
}

const stateOf = (item) => (item.is_read === false ? 'is:unread' : item.has_reply ? 'is:replied' : `updated:${item.updated_on.slice(0, 7)}`);

const OF_LATIN = /(?<![\w'@./#-])\p{Script=Latin}{5,10}(?![\w'@./-])/gu;
const OF_ANY = /(?<![\w'@./#-])\p{L}{2,10}(?![\w'@./-])/gu;

// A plain word of the subjects, of medium length.
function wordOf(subjects) {
  const plain = subjects.map((subject) => subject.replace(/\[[^\]]*\]/g, ' '));
  const words = [OF_LATIN, OF_ANY].flatMap((kind) => plain.flatMap((subject) => subject.match(kind) ?? []));
  return words[0]?.toLowerCase() ?? 'subject:any';
}

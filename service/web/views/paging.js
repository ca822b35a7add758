// Above the list: the number of results, their order, and the export. Below it: the pages.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { SIZES, hrefOf } from '../address.js';
import { change, toPage } from '../actions.js';
import { cancelExport, startExport } from '../exporting.js';
import { ICONS } from '../icons.js';
import { sortOf } from '../parameters.js';
import { number, t } from '../words.js';

const ORDERS = [
  'relevance', '-updated_on', 'updated_on', '-created_on', 'created_on', '-sent_at', 'subject', '-message_count',
  'is_read,-updated_on', 'has_reply,-updated_on',
];
const MAY_EXPORT = new Set(['conversations:export', 'conversations:admin']);

export function bar(state) {
  const { answer, asked } = state;
  return html`<div class="bar">
    <p class="total">${answer ? t('found', { n: answer.pagination.total }) : nothing}</p>
    <label><span class="unseen">${t('order')}</span>
      <select id="order" @change=${(event) => change({ sort: event.target.value })}>
        ${ORDERS.filter((order) => order !== 'relevance' || asked.q.trim()).map((order) => html`
          <option value=${order} ?selected=${order === (sortOf(asked) || '-updated_on')}>${t(`order.${order}`)}</option>`)}
      </select></label>
    ${exporting(state)}
  </div>`;
}

function exporting({ exporting: run, answer, caller }) {
  if (run?.lines !== undefined && !run.isDone) return html`
    <button @click=${cancelExport}>${t('export.running', { n: run.lines })} · ${t('cancel')}</button>`;
  const isAllowed = caller.scopes.some((scope) => MAY_EXPORT.has(scope));
  const told = run?.failure ? t(`failure.${run.failure.kind}`) : run?.isDone ? (run.isWhole ? t('export.done', { n: run.lines }) : t('export.cut')) : '';
  return html`<button class="export" @click=${startExport} ?disabled=${!isAllowed || !answer?.pagination.total}
    title=${isAllowed ? t('export.about') : t('export.forbidden')}>${ICONS.save} <span>${t('export')}</span></button>
    ${told ? html`<span class="quiet export-told">${told}</span>` : nothing}`;
}

export function paging({ answer, asked }) {
  if (!answer || answer.pagination.total === 0) return nothing;
  const pages = answer.pagination.total_pages;
  return html`<nav class="paging" aria-label=${t('pages')}>
    ${step(asked, asked.page - 1, pages, 'previous')}
    <form @submit=${(event) => goToPage(event, pages)}>
      <label>${t('page')} <input id="page-number" name="page" type="number" inputmode="numeric" min="1" max=${pages}
        .value=${String(asked.page)} @change=${(event) => goToPage(event, pages)}></label>
      <span>${t('of_pages', { pages: number(pages) })}</span>
    </form>
    ${step(asked, asked.page + 1, pages, 'next')}
    <label class="size">${t('per_page')} <select id="per-page" @change=${(event) => change({ per_page: Number(event.target.value) })}>
      ${SIZES.map((size) => html`<option ?selected=${size === asked.per_page}>${size}</option>`)}
    </select></label>
  </nav>`;
}

function step(asked, page, pages, name) {
  const label = html`${name === 'previous' ? ICONS.previous : nothing}<span>${t(name)}</span>${name === 'next' ? ICONS.next : nothing}`;
  return page < 1 || page > pages ? html`<span class="step" aria-disabled="true">${label}</span>`
    : html`<a class="step ${name}" href=${hrefOf({ ...asked, page, open: '' })} rel=${name === 'next' ? 'next' : 'prev'}>${label}</a>`;
}

function goToPage(event, pages) {
  event.preventDefault();
  const field = event.currentTarget.elements?.page ?? event.currentTarget;
  const page = Math.min(Math.max(Math.trunc(Number(field.value)) || 1, 1), pages);
  field.value = String(page);
  toPage(page);
  if (event.type === 'submit') field.blur(); // so that the keys n and p work again
}

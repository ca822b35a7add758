// A search that failed: why, whether it is tried again by itself, and a button to try again.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { RETRIED, search } from '../searching.js';
import { t } from '../words.js';

export const searchFailureText = ({ kind }) =>
  `${t(`failure.${kind}`)}${RETRIED.has(kind) ? ` ${t('failure.retried')}` : ''}`;

export const failed = (failure) => html`
  <div class="problem" role="alert">
    <p>${searchFailureText(failure)}</p>
    ${failure.message && !['busy', 'unavailable', 'slow'].includes(failure.kind) ? html`<p class="quiet">${failure.message}</p>` : nothing}
    ${RETRIED.has(failure.kind) || failure.kind === 'broken' ? html`<button @click=${search}>${t('again')}</button>` : nothing}
  </div>`;

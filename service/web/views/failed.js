// An error in words, and a button to try again if that may help.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { search } from '../searching.js';
import { t } from '../words.js';

const AGAIN = new Set(['offline', 'busy', 'unavailable', 'slow', 'broken']);

export const failed = (failure) => html`
  <div class="problem" role="alert">
    <p>${t(`failure.${failure.kind}`)}</p>
    ${failure.message && !['busy', 'unavailable', 'slow'].includes(failure.kind) ? html`<p class="quiet">${failure.message}</p>` : nothing}
    ${AGAIN.has(failure.kind) ? html`<button @click=${search}>${t('again')}</button>` : nothing}
  </div>`;

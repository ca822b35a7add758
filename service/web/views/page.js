// The whole page.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { isEmpty } from '../address.js';
import { t } from '../words.js';
import { box } from './search_box.js';
import { chips } from './chips.js';
import { detail } from './detail.js';
import { filters } from './filters.js';
import { header } from './header.js';
import { help } from './help.js';
import { firstVisit } from './first_visit.js';
import { bar, paging } from './paging.js';
import { request } from './request.js';
import { logo } from './logo.js';
import { results, skeleton } from './results.js';
import { signIn } from './sign_in.js';

export function page(state) {
  if (!state.token) return state.signIn ? signIn(state) : waiting();
  return html`
    <a class="skip" href="#results" @click=${toResults}>${t('skip')}</a>
    ${header(state, box(state))}
    <div class="columns ${state.asked.open ? 'has-detail' : ''}">
      ${filters(state)}
      <main id="results" tabindex="-1" aria-busy=${state.isLoading ? 'true' : 'false'}>
        <h1 class="unseen">${t('title')}</h1>
        <div class="progress ${state.isLoading ? 'runs' : ''}"></div>
        ${chips(state)} ${bar(state)}
        ${isEmpty(state.asked) && state.asked.page === 1 ? firstVisit(state) : nothing}
        ${results(state)} ${paging(state)} ${request(state)}
      </main>
      ${detail(state)}
    </div>
    ${state.dialog === 'help' ? help(state) : nothing}`;
}

function toResults(event) {
  event.preventDefault();
  document.getElementById('results').focus();
}

// Shown until the caller and the language are known.
const waiting = () => html`<div class="top"><span class="home">${logo()}</span></div>
  <div class="columns" aria-hidden="true"><span></span><div class="waiting">${skeleton()}</div></div>`;

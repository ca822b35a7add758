// What is on the screen, as a request to the API.

import { html } from '../vendor/lit-html/lit-html.js';
import { copy } from '../actions.js';
import { ICONS } from '../icons.js';
import { curlLine, shownParameters } from '../parameters.js';
import { zone } from '../times.js';
import { t } from '../words.js';

export function request({ asked, answer, copied }) {
  const parameters = shownParameters(answer?.sent ?? asked, zone());
  const line = curlLine(new URL('api/conversations', document.baseURI).href, parameters);
  return html`<details class="request">
    <summary>${t('request')}</summary>
    <p class="quiet">${t('request.about')}</p>
    <div class="code"><pre tabindex="0" role="region" aria-label="curl"><code>${line}</code></pre>
      <button @click=${() => copy(line, 'curl')}>${copied === 'curl' ? ICONS.done : ICONS.copy} <span>${copied === 'curl' ? t('copied') : t('copy')}</span></button></div>
    ${parameters.length ? html`<table><thead><tr><th scope="col">${t('parameter')}</th><th scope="col">${t('value')}</th></tr></thead>
      <tbody>${parameters.map(([name, value]) => html`<tr><th scope="row"><code>${name}</code></th><td dir="auto">${value}</td></tr>`)}</tbody></table>` : ''}
  </details>`;
}

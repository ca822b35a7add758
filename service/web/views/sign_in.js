// The page without a token.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { signInWith } from '../signing.js';
import { t } from '../words.js';
import { languages } from './header.js';
import { logo } from './logo.js';

export function signIn(state) {
  const { why, failure } = state.signIn;
  const told = failure ? t(`failure.${failure.kind}`) : why ? t(`sign_in.${why}`) : '';
  return html`
    <main class="sign-in">
      <form class="card" @submit=${submit}>
        <h1>${logo()} ${t('title')}</h1>
        ${told ? html`<p class="problem" role="alert" id="why">${told}</p>` : nothing}
        <label for="token">${t('sign_in.label')}</label>
        <input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required
          aria-describedby="${told ? 'why ' : ''}about-token">
        <button class="main">${t('sign_in.button')}</button>
        <p class="quiet" id="about-token">${t('sign_in.about')}</p>
        <p class="quiet"><code>scripts/run</code> · <code>conversations token --organization UUID</code></p>
        <p class="quiet"><a href="docs">${t('docs')}</a></p>
      </form>
      ${languages(state)}
    </main>`;
}

function submit(event) {
  event.preventDefault();
  const field = event.target.elements.token;
  signInWith(field.value, 'refused').then((isIn) => !isIn && field.select());
}

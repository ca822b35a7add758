// The page without a token: a button for each identity provider, and a field for a token.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { nameOf, providers } from '../oidc.js';
import { signInAt, signInWith } from '../signing.js';
import { t } from '../words.js';
import { languages } from './header.js';
import { logo } from './logo.js';

export function signIn(state) {
  const { why, failure } = state.signIn;
  const known = providers();
  const told = failure ? t(`failure.${failure.kind}`) : why === 'expired' && known.length ? t('sign_in.ended') : why ? t(`sign_in.${why}`) : '';
  const detail = failure?.message || state.signIn.told;
  return html`
    <main class="sign-in">
      <div class="card">
        <h1>${logo()} ${t('title')}</h1>
        ${told ? html`<div class="problem" role="alert" id="why"><p>${told}</p>${detail ? html`<p class="quiet" dir="auto">${detail}</p>` : nothing}</div>` : nothing}
        ${known.map((one) => html`<button class="main provider" @click=${() => signInAt(one)}>${t('sign_in.at', { name: nameOf(one) })}</button>`)}
        ${known.length ? html`<details ?open=${why === 'refused'}><summary>${t('sign_in.token_instead')}</summary>${form(told)}</details>` : form(told)}
        <p class="quiet"><a href="docs">${t('docs')}</a></p>
      </div>
      ${languages(state)}
    </main>`;
}

const form = (told) => html`
  <form @submit=${submit}>
    <label for="token">${t('sign_in.label')}</label>
    <input id="token" name="token" type="password" autocomplete="off" spellcheck="false" required
      aria-describedby="${told ? 'why ' : ''}about-token">
    <button class="main">${t('sign_in.button')}</button>
    <p class="quiet" id="about-token">${t('sign_in.about')}</p>
    <p class="quiet"><code>scripts/run</code> · <code>conversations token --organization UUID</code></p>
  </form>`;

function submit(event) {
  event.preventDefault();
  const field = event.target.elements.token;
  signInWith(field.value, 'refused').then((isIn) => !isIn && field.select());
}

// The bar at the top: the search box, the help, and the menu with the user's settings.

import { html, nothing } from '../vendor/lit-html/lit-html.js';
import { setTheme, change, startAfresh } from '../actions.js';
import { set } from '../store.js';
import { leave, organizationOf } from '../signing.js';
import { stop } from '../searching.js';
import { LANGUAGES, speak, t } from '../words.js';
import { logo } from './logo.js';

export const header = (state, box) => html`
  <header class="top">
    <a class="home" href="#" @click=${home} aria-label=${t('home')}>${logo()}</a>
    ${box}
    <div class="own">
      <button class="plain show-keys" @click=${() => set({ dialog: 'help' })} aria-label=${t('help.title')}>?</button>
      <details class="menu" @focusout=${closeWhenLeft} @keydown=${closeByKey}>
        <summary aria-label=${t('menu')}><span class="initial" aria-hidden="true">${initial(state.caller)}</span></summary>
        <div class="card">
          <p class="who"><strong dir="auto">${state.caller.user}</strong></p>
          ${organizations(state)} ${languages(state)} ${themes(state)}
          <p><a href="docs">${t('docs')}</a></p>
          <button @click=${signOut}>${t('sign_out')}</button>
        </div>
      </details>
    </div>
  </header>`;

const initial = (caller) => (Array.from(caller.user)[0] ?? '·').toUpperCase();

function home(event) {
  event.preventDefault();
  startAfresh();
}

function signOut() {
  stop();
  leave();
}

function closeWhenLeft(event) {
  if (event.relatedTarget && !event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false;
}

function closeByKey(event) {
  const menu = event.currentTarget;
  if (event.key !== 'Escape' || !menu.open) return;
  event.stopPropagation();
  menu.open = false;
  menu.querySelector('summary').focus();
}

function organizations(state) {
  const { caller } = state;
  if (caller.organizations.length < 2) return nothing;
  const chosen = organizationOf(state);
  return html`<label class="field">${t('organization')}
    <select id="organization" @change=${(event) => change({ organization_uid: event.target.value })}>
      ${caller.organizations.map((uid) => html`<option value=${uid} ?selected=${uid === chosen}>${uid}</option>`)}
    </select></label>`;
}

export const languages = (state) => html`<label class="field">${t('language')}
  <select id="language" @change=${(event) => setLanguage(event.target.value)}>
    ${Object.entries(LANGUAGES).map(([code, name]) => html`
      <option value=${code} lang=${code} ?selected=${code === state.language}>${name}</option>`)}
  </select></label>`;

async function setLanguage(language) {
  localStorage.setItem('conversations.language', language);
  await speak(language);
  set({ language });
}

const themes = (state) => html`<label class="field">${t('theme')}
  <select id="theme" @change=${(event) => setTheme(event.target.value)}>
    ${['auto', 'light', 'dark'].map((theme) => html`
      <option value=${theme} ?selected=${theme === state.theme}>${t(`theme.${theme}`)}</option>`)}
  </select></label>`;

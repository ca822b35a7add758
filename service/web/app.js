// Starts the page.

import { render } from './vendor/lit-html/lit-html.js';
import { arrive, go } from './actions.js';
import { fromFragment } from './address.js';
import { listen } from './keyboard.js';
import { speak, bestOf, LANGUAGES, t } from './words.js';
import { isAnswer } from './oidc.js';
import { askEarly } from './searching.js';
import { hasCode, keptToken, missingOrganization, start } from './signing.js';
import { now, onChange, set } from './store.js';
import { page } from './views/page.js';
import { announce } from './views/announcements.js';

function chosenLanguage() {
  const kept = localStorage.getItem('conversations.language');
  return kept in LANGUAGES ? kept : bestOf(navigator.languages ?? [navigator.language]);
}

function draw(state) {
  render(page(state), document.getElementById('page'));
  announce(state);
  const q = state.token ? state.asked.q.trim() : '';
  document.title = q ? `${q} – ${t('title')}` : t('title');
}

let hadToken = false;

// After a sign-in, runs the query of the address.
function beginOnceSignedIn(state) {
  const hasToken = state.token !== null;
  if (hasToken && !hadToken) queueMicrotask(begin);
  hadToken = hasToken;
}

function begin() {
  const organization = missingOrganization();
  if (organization) go({ ...now().asked, organization_uid: organization }, { inPlace: true });
  else arrive({ isNew: true });
}

// Handles a sign-in link or an identity provider's answer that is opened in this page while it runs.
async function startAgain() {
  const wasSignedIn = hadToken;
  await start();
  if (wasSignedIn && now().token) begin();
}

async function run() {
  const theme = localStorage.getItem('conversations.theme') ?? 'auto';
  document.documentElement.dataset.theme = theme;
  const language = chosenLanguage();
  if (keptToken() && !hasCode() && !isAnswer()) {
    render(page(now()), document.getElementById('page'));
    askEarly(fromFragment(location.hash), keptToken());
  }
  await Promise.all([speak(language), start()]); // at the same time: neither needs the other
  onChange(draw);
  onChange(beginOnceSignedIn);
  set({ language, theme, shortcuts: localStorage.getItem('conversations.shortcuts') !== 'off' });
  addEventListener('popstate', () => (hasCode() || isAnswer() ? startAgain() : arrive()));
  addEventListener('online', () => now().failure?.kind === 'offline' && arrive());
  listen();
}

run();

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

// After each sign-in: what the address asks for, now with a token.
function follow(state) {
  const hasToken = state.token !== null;
  if (hasToken && !hadToken) queueMicrotask(begin);
  hadToken = hasToken;
}

function begin() {
  const organization = missingOrganization();
  if (organization) go({ ...now().asked, organization_uid: organization }, { inPlace: true });
  else arrive({ isNew: true });
}

// A link that signs in, opened in a page that is signed in already.
async function startAgain() {
  const wasIn = hadToken;
  await start();
  if (wasIn && now().token) begin();
}

async function run() {
  const theme = localStorage.getItem('conversations.theme') ?? 'auto';
  document.documentElement.dataset.theme = theme;
  const language = chosenLanguage();
  if (keptToken() && !hasCode() && !isAnswer()) {
    render(page(now()), document.getElementById('page'));
    askEarly(fromFragment(location.hash), keptToken());
  }
  await Promise.all([speak(language), start()]); // neither needs the other
  onChange(draw);
  onChange(follow);
  set({ language, theme, shortcuts: localStorage.getItem('conversations.shortcuts') !== 'off' });
  addEventListener('popstate', () => (hasCode() || isAnswer() ? startAgain() : arrive()));
  addEventListener('online', () => now().failure?.kind === 'offline' && arrive());
  listen();
}

run();

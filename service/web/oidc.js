// Signing in at an identity provider: OpenID Connect, the code flow with PKCE. The service puts the providers into the
// page. The data of a sign-in is kept in this tab only, and used once.

import { Failure } from './api.js';

const PENDING = 'conversations.signing-in';
const AT = 'conversations.signed-in-at';
const ANSWER = /^#(?=.*\bstate=)(?=.*\b(code|error)=)/;

export const providers = () => JSON.parse(document.querySelector('meta[name=providers]').content);
export const nameOf = (provider) => new URL(provider.issuer).host;
export const isAnswer = () => ANSWER.test(location.hash);

// The address to which the provider sends people back: that of the page, whatever its path is.
const redirectUri = () => new URL('.', location.href.replace(/[?#].*/s, '')).href;

const encoded = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const random = () => encoded(crypto.getRandomValues(new Uint8Array(32)));
const digest = async (text) => encoded(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));

// Goes to the provider. The query in the address is kept, and is shown again after the sign-in.
export async function leaveFor(provider) {
  if (!globalThis.crypto?.subtle) throw new Failure('insecure');
  const [state, nonce, verifier] = [random(), random(), random()];
  sessionStorage.setItem(PENDING, JSON.stringify({ issuer: provider.issuer, state, nonce, verifier, hash: location.hash }));
  const to = new URL(provider.authorization_endpoint);
  const asked = {
    ...provider.parameters, client_id: provider.client_id, scope: provider.scope, redirect_uri: redirectUri(),
    state, nonce, response_type: 'code', response_mode: 'fragment',
    code_challenge: await digest(verifier), code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(asked)) to.searchParams.set(name, value);
  location.assign(to);
}

// Exchanges the provider's answer in the address for a token, and first removes it from the address. Throws a Failure.
export async function finish() {
  const answer = new URLSearchParams(location.hash.slice(1));
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? 'null');
  sessionStorage.removeItem(PENDING);
  const isOurs = pending !== null && pending.state === answer.get('state');
  history.replaceState(null, '', location.pathname + (isOurs ? pending.hash : ''));
  const provider = isOurs ? providers().find((one) => one.issuer === pending.issuer) : undefined;
  if (!isOurs || !isOf(provider, answer.get('iss'))) throw new Failure('not_begun');
  if (answer.has('error')) {
    throw new Failure(answer.get('error') === 'access_denied' ? 'cancelled' : 'provider', reasonIn(answer));
  }
  const tokens = await exchanged(provider, answer.get('code'), pending.verifier);
  if (!isFor(tokens.id_token, provider, pending.nonce)) throw new Failure('provider');
  sessionStorage.setItem(AT, provider.issuer);
  return tokens.access_token;
}

// If an answer names its issuer, it must be the provider's. An answer must name it if the provider says so (RFC 9207).
const isOf = (provider, named) => provider !== undefined && (named === null ? !provider.says_issuer : named === provider.issuer);
const reasonIn = (answer) => answer.get('error_description') ?? answer.get('error');

async function exchanged(provider, code, verifier) {
  const body = new URLSearchParams({
    grant_type: 'authorization_code', code, redirect_uri: redirectUri(), client_id: provider.client_id,
    code_verifier: verifier,
  });
  let answer;
  try {
    answer = await fetch(provider.token_endpoint, { method: 'POST', body, credentials: 'omit', headers: { Accept: 'application/json' } });
  } catch {
    throw new Failure('provider');
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok || typeof told.access_token !== 'string') throw new Failure('provider', told.error_description ?? told.error ?? '');
  return told;
}

// The ID token came from the provider itself, so its signature need not be checked (OpenID Connect Core, 3.1.3.7).
function isFor(token, provider, nonce) {
  try {
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(unpadded(token.split('.')[1])), (one) => one.charCodeAt(0))));
    const isAddressed = [claims.aud].flat().includes(provider.client_id);
    return isAddressed && claims.nonce === nonce && claims.iss === provider.issuer && claims.exp * 1000 > Date.now() - 300_000;
  } catch {
    return false;
  }
}

const unpadded = (text) => text.replaceAll('-', '+').replaceAll('_', '/');

// The address at which the provider of the token signs people out, or null. Also forgets this provider.
export function wayOut() {
  const provider = providers().find((one) => one.issuer === sessionStorage.getItem(AT));
  sessionStorage.removeItem(AT);
  if (!provider?.end_session_endpoint) return null;
  const to = new URL(provider.end_session_endpoint);
  to.searchParams.set('client_id', provider.client_id);
  to.searchParams.set('post_logout_redirect_uri', redirectUri());
  return to;
}

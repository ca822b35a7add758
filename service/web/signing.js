// The token: pasted, or exchanged for the code of a link or of an identity provider. It is kept in this tab only, until
// the tab is closed.

import { Failure, ask } from './api.js';
import { finish, isAnswer, leaveFor, wayOut } from './oidc.js';
import { now, set } from './store.js';

const KEY = 'conversations.token';
const CODE = /^#sign-in=([\w-]+)$/;

export const hasCode = () => CODE.test(location.hash);
export const keptToken = () => sessionStorage.getItem(KEY);

// Signs in with the code in the address, which is removed from the address first, or with the token that the tab has.
export async function start() {
  if (isAnswer()) return startWithAnswer();
  const code = CODE.exec(location.hash)?.[1];
  if (code === undefined) return signInWith(keptToken(), null);
  history.replaceState(null, '', location.pathname);
  try {
    const { token } = await ask('sign-in', {
      method: 'POST', body: JSON.stringify({ code }), headers: { 'Content-Type': 'application/json' },
    });
    return signInWith(token, 'refused');
  } catch (error) {
    return signInWith(keptToken(), 'link', error.kind === 'offline' ? error : null);
  }
}

// After a return from an identity provider. If the sign-in failed, a token that the tab already has stays in use.
async function startWithAnswer() {
  try {
    return await signInWith(await finish(), 'refused');
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return signInWith(keptToken(), null, error);
  }
}

export async function signInAt(provider) {
  try {
    await leaveFor(provider);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    set({ signIn: { why: null, failure: error } });
  }
}

// Requests the caller of the token. Returns true if the service accepts the token. If there is no token, or it is
// refused, `why` says why the page asks for one.
export async function signInWith(given, why, failure = null) {
  const token = (given ?? '').trim().replace(/^Bearer\s+/i, '');
  if (!token) return set({ signIn: { why, failure } });
  if (!/^[\x21-\x7e]+$/.test(token)) return set({ signIn: { why: 'refused', failure: null } });
  try {
    const caller = await ask('api/caller', { token });
    sessionStorage.setItem(KEY, token);
    set({ token, caller, signIn: null, failure: null });
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.kind !== 'expired') return set({ signIn: { why: null, failure: error } });
    sessionStorage.removeItem(KEY);
    return set({ signIn: { why: why ?? 'expired', failure, told: why === 'refused' ? error.message : '' } });
  }
}

// Forgets the token and everything that was shown with it.
export function signOut(why = null) {
  sessionStorage.removeItem(KEY);
  set({
    token: null, caller: null, answer: null, counts: null, opened: null, failure: null, isLoading: false,
    signIn: { why, failure: null },
  });
}

// Signs out, also at the identity provider. Otherwise, the next person here could sign in there without a password.
export function leave() {
  const to = wayOut();
  signOut();
  if (to !== null) location.assign(to);
}

export const organizationOf = ({ asked, caller }) =>
  asked.organization_uid || caller?.default_organization || (caller?.organizations.length === 1 ? caller.organizations[0] : '');

// If the token has no default organization, requests must name one: this is the first of the token. Otherwise ''.
export const missingOrganization = () => {
  const { asked, caller } = now();
  return caller && !organizationOf({ asked, caller }) ? (caller.organizations[0] ?? '') : '';
};

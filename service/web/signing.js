// The token: pasted, or exchanged for the code of a link. It is kept for this tab only, until the tab is closed.

import { Failure, ask } from './api.js';
import { now, set } from './store.js';

const KEY = 'conversations.token';
const CODE = /^#sign-in=([\w-]+)$/;

export const hasCode = () => CODE.test(location.hash);

// The token that this tab has. A code in the address is used up, and taken out of the address first.
export async function start() {
  const code = CODE.exec(location.hash)?.[1];
  if (code === undefined) return signInWith(sessionStorage.getItem(KEY), null);
  history.replaceState(null, '', location.pathname);
  try {
    const { token } = await ask('sign-in', {
      method: 'POST', body: JSON.stringify({ code }), headers: { 'Content-Type': 'application/json' },
    });
    return signInWith(token, 'refused');
  } catch (error) {
    return signInWith(sessionStorage.getItem(KEY), 'link', error.kind === 'offline' ? error : null);
  }
}

// Asks who the token names. Returns whether the page can be used. `why` is told if there is no token, or a wrong one.
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
    if (error.kind === 'expired') sessionStorage.removeItem(KEY);
    const reason = error.kind === 'expired' ? (why ?? 'expired') : null;
    return set({ signIn: { why: reason, failure: error.kind === 'expired' ? null : error } });
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

export const organizationOf = ({ asked, caller }) =>
  asked.organization_uid || caller?.default_organization || (caller?.organizations.length === 1 ? caller.organizations[0] : '');

// A token without a default organization must be asked which one; the page begins with the first.
export const missingOrganization = () => {
  const { asked, caller } = now();
  return caller && !organizationOf({ asked, caller }) ? (caller.organizations[0] ?? '') : '';
};

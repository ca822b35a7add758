// Sends requests to the API. An error becomes a Failure, and the page has a text for each kind of Failure.

export class Failure extends Error {
  constructor(kind, message = '', details = [], wait = 0) {
    super(message);
    this.kind = kind;
    this.details = details;
    this.wait = wait; // seconds until it makes sense to try again
  }
}

const KINDS = { 400: 'invalid', 401: 'expired', 403: 'forbidden', 404: 'missing', 429: 'busy', 503: 'unavailable', 504: 'slow' };

export const kindOf = (status) => KINDS[status] ?? 'broken';
export const isAborted = (error) => error?.name === 'AbortError';

const url = (path, parameters) => {
  const query = new URLSearchParams(parameters).toString();
  return query ? `${path}?${query}` : path;
};

export async function open(path, { parameters = [], token, signal, ...more } = {}) {
  let answer;
  try {
    answer = await fetch(url(path, parameters), {
      headers: { Accept: 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more.headers },
      method: more.method, body: more.body, signal, credentials: 'omit',
    });
  } catch (error) {
    throw isAborted(error) ? error : new Failure('offline');
  }
  if (!answer.ok) throw await failureOf(answer);
  return answer;
}

async function failureOf(answer) {
  let reported = {};
  try {
    reported = (await answer.json()).error ?? {};
  } catch (error) {
    if (isAborted(error)) return error;
  }
  const wait = Number(answer.headers.get('retry-after')) || 0;
  return new Failure(kindOf(answer.status), reported.message ?? '', reported.details ?? [], wait);
}

export async function ask(path, options) {
  const answer = await open(path, options);
  try {
    return (await answer.json()).data;
  } catch (error) {
    throw isAborted(error) ? error : new Failure('broken');
  }
}

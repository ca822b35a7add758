// Converts the address of the page to a query (`asked`), and back. The part after the # contains the whole query, so an
// address can be shared. Browsers send this part to no server. Its names are those of the API's parameters.

export const LISTS = ['status', 'channel', 'category', 'agent_uid', 'direction'];
export const SINGLES = ['is_read', 'has_reply', 'from', 'to'];
export const FILTERS = [...LISTS, ...SINGLES];
export const SIZES = [10, 25, 50, 100];
export const NONE = 'none';
const TEXTS = ['q', 'sort', 'organization_uid', 'open', ...SINGLES];
const DATE = /^\d{4}(-\d{2}(-\d{2})?)?$/;

export const NOTHING_ASKED = Object.freeze({
  q: '', sort: '', organization_uid: '', open: '', page: 1, per_page: 25,
  is_read: '', has_reply: '', from: '', to: '',
  status: [], channel: [], category: [], agent_uid: [], direction: [],
});

export function fromFragment(fragment) {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const asked = { ...NOTHING_ASKED };
  for (const name of TEXTS) asked[name] = given.get(name) ?? '';
  for (const name of LISTS) asked[name] = [...new Set(given.getAll(name).filter(Boolean))];
  for (const name of ['from', 'to']) if (!DATE.test(asked[name])) asked[name] = '';
  asked.page = wholeNumber(given.get('page')) ?? 1;
  const size = wholeNumber(given.get('per_page'));
  asked.per_page = SIZES.includes(size) ? size : 25;
  return asked;
}

function wholeNumber(text) {
  const number = /^\d{1,15}$/.test(text ?? '') ? Number(text) : 0;
  return number >= 1 ? number : null;
}

export function toFragment(asked) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    const values = Array.isArray(value) ? value : [value];
    for (const one of values) if (one !== '' && one !== NOTHING_ASKED[name]) given.append(name, one);
  }
  return given.toString();
}

export const hrefOf = (asked) => `#${toFragment(asked)}`;

// The parts of a query that results depend on, and those that counts depend on, as texts that can be compared.
export const partOfResults = (asked) => toFragment({ ...asked, open: '' });
export const partOfCounts = (asked) => toFragment({ ...asked, open: '', sort: '', page: 1, per_page: 25 });

export const isFiltered = (asked) => FILTERS.some((name) => asked[name].length > 0);
export const isEmpty = (asked) => asked.q.trim() === '' && !isFiltered(asked);

// The query with these changes, at its first page and without an open conversation.
export const changed = (asked, patch) => ({ ...asked, page: 1, open: '', ...patch });

export function toggled(asked, name, value) {
  if (SINGLES.includes(name)) return changed(asked, { [name]: asked[name] === value ? '' : value });
  const values = asked[name];
  if (values.includes(value)) return changed(asked, { [name]: values.filter((one) => one !== value) });
  // the API takes "none" only alone
  return changed(asked, { [name]: value === NONE ? [NONE] : [...values.filter((one) => one !== NONE), value] });
}

export const withoutFilters = (asked) =>
  changed(asked, Object.fromEntries(FILTERS.map((name) => [name, NOTHING_ASKED[name]])));

// The counts by day or month as at most MOST bars without gaps, in the finest unit that allows it.

export const MOST = 48;
const DAY = 86_400_000;
const UNITS = ['day', 'week', 'month', 'quarter', 'year', 'decade'];
const MONTHS = { month: 1, quarter: 3, year: 12, decade: 120 };

const day = (text) => new Date(`${text.padEnd(7, '-01').padEnd(10, '-01')}T00:00:00Z`);
const text = (date) => date.toISOString().slice(0, 10);

function startOf(date, unit) {
  if (unit === 'day') return date;
  if (unit === 'week') return new Date(date - ((date.getUTCDay() + 6) % 7) * DAY);
  const months = date.getUTCFullYear() * 12 + date.getUTCMonth();
  return ofMonths(months - (months % MONTHS[unit]));
}

function ofMonths(months) {
  const date = new Date(0);
  date.setUTCFullYear(Math.floor(months / 12), months % 12, 1);
  return date;
}

function next(date, unit) {
  if (unit === 'day') return new Date(+date + DAY);
  if (unit === 'week') return new Date(+date + 7 * DAY);
  return ofMonths(date.getUTCFullYear() * 12 + date.getUTCMonth() + MONTHS[unit]);
}

function numberOf(first, last, unit) {
  const [from, to] = [startOf(first, unit), startOf(last, unit)];
  if (unit === 'day' || unit === 'week') return (to - from) / DAY / (unit === 'day' ? 1 : 7) + 1;
  return (to.getUTCFullYear() * 12 + to.getUTCMonth() - from.getUTCFullYear() * 12 - from.getUTCMonth()) / MONTHS[unit] + 1;
}

// [{ from, to, count }]; `to` is the last day of the bar. `values` are those of the facet created_on.
export function bars(values) {
  if (values.length === 0) return [];
  const dated = values.map(({ value, count }) => ({ date: day(value), count })).sort((a, b) => a.date - b.date);
  const [first, last] = [dated[0].date, dated[dated.length - 1].date];
  const finest = values.every(({ value }) => value.length === 10) ? 0 : UNITS.indexOf('month');
  const unit = UNITS.slice(finest).find((one) => numberOf(first, last, one) <= MOST) ?? 'decade';
  const found = [];
  let at = 0;
  for (let from = startOf(first, unit); from <= last && found.length < 400; from = next(from, unit)) {
    const end = next(from, unit);
    let count = 0;
    for (; at < dated.length && dated[at].date < end; at += 1) count += dated[at].count;
    found.push({ from: text(from), to: text(new Date(end - DAY)), count });
  }
  return found;
}

// The interval to request: days if all values are within 330 days, otherwise months.
export function betterInterval(values) {
  if (values.length === 0) return 'month';
  const days = values.map(({ value }) => +day(value));
  return (Math.max(...days) - Math.min(...days)) / DAY <= 330 ? 'day' : 'month';
}

// The range of two bars, in either order, with all bars between them.
export function rangeOf(one, other) {
  return one.from <= other.from ? { from: one.from, to: other.to } : { from: other.from, to: one.to };
}

export const isIn = (bar, from, to) => (!from || bar.to >= from) && (!to || bar.from <= to.padEnd(10, '-99'));

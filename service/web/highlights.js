// Texts with marked places. Places count code points, as in the API; JavaScript's own count UTF-16 units.

// [{ text, isMarked }] of a text and its [start, end] places, which may come in any order.
export function pieces(text, ranges) {
  const points = Array.from(text);
  const found = [];
  let at = 0;
  for (const [start, end] of [...ranges].sort((one, other) => one[0] - other[0])) {
    if (end <= at || start >= points.length) continue;
    if (start > at) found.push({ text: points.slice(at, start).join(''), isMarked: false });
    found.push({ text: points.slice(Math.max(start, at), end).join(''), isMarked: true });
    at = end;
  }
  if (at < points.length) found.push({ text: points.slice(at).join(''), isMarked: false });
  return found;
}

// The places of the warnings about a text. A warning without a text is about the place where something is missing.
export const warned = (warnings) =>
  warnings.map(({ position, text }) => [position, position + Math.max(1, Array.from(text).length)]);

// The text as HTML's `dir=auto` would judge it may differ from the page's; these marks keep the neighbours apart.
export const isolated = (text) => `\u2068${text}\u2069`;

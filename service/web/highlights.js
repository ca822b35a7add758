// Texts with marked ranges. Positions count code points, as in the API; JavaScript itself counts UTF-16 units.

// [{ text, isMarked }] of a text and its [start, end] ranges, which may be in any order.
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

// The ranges of the warnings about a text. A warning without a text marks the character where something is missing.
export const warned = (warnings) =>
  warnings.map(({ position, text }) => [position, position + Math.max(1, Array.from(text).length)]);

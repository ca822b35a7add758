// The languages of the page. Only the one in use is loaded.

export const LANGUAGES = { en: 'English', de: 'Deutsch', es: 'Español', fr: 'Français' };

let words = {};
let plurals = new Intl.PluralRules('en');
let numbers = new Intl.NumberFormat('en');

export async function speak(chosen) {
  words = (await import(`./words/${chosen}.js`)).default;
  plurals = new Intl.PluralRules(chosen);
  numbers = new Intl.NumberFormat(chosen);
  document.documentElement.lang = chosen;
}

// The first of the languages that the page has.
export const bestOf = (wanted) =>
  wanted.map((one) => one.slice(0, 2).toLowerCase()).find((one) => one in LANGUAGES) ?? 'en';

// The text for a key, with {name} replaced by the values. `n` chooses between one and other.
export function t(key, values = {}) {
  let text = words[key] ?? key;
  if (typeof text === 'object') text = text[plurals.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_all, name) =>
    typeof values[name] === 'number' ? number(values[name]) : String(values[name] ?? ''));
}

export const number = (value) => numbers.format(value);

// The values that a field of the search box takes, in words; '' if there is no text for the field.
export const aboutField = (name) => words[`box_field.${name}`] ?? '';

// The word for a value of a choice such as status, or the value itself.
export const named = (name, value) => words[`${name}.${value}`] ?? value;

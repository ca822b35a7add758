// The texts that a screen reader reads out when something on the page has changed.

import { isIn, rangeOf } from '../histogram.js';
import { written } from '../times.js';
import { number, t } from '../words.js';
import { searchFailureText } from './failed.js';

let said = '';

export function announce(state) {
  const text = textOf(state);
  if (text === null || text === said) return;
  said = text;
  document.getElementById('said').textContent = text;
}

function textOf({ token, isLoading, answer, failure, copied, exporting, picked, language }) {
  if (picked?.all) return pickedText(picked, language);
  if (copied) return t('copied');
  if (exporting?.isDone) return exporting.isWhole ? t('export.done', { n: exporting.lines }) : t('export.cut');
  if (!token) return '';
  if (isLoading) return null;
  if (failure) return searchFailureText(failure);
  if (!answer) return null;
  const { total, page, total_pages: pages } = answer.pagination;
  if (total === 0) return t('nothing');
  return `${t('found', { n: total })}${pages > 1 ? `, ${t('page_of', { page: number(page), pages: number(pages) })}` : ''}`;
}

function pickedText({ first, last, all }, language) {
  const { from, to } = rangeOf(first, last);
  const n = all.filter((one) => isIn(one, from, to)).reduce((sum, one) => sum + one.count, 0);
  return t('time.picked', { from: written(from, language), to: written(to, language), n: t('found', { n }) });
}

// The functions of the page that need no browser. tests/test_web.py runs this with node's own test runner.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

// A module and what it imports, as addresses that hold their text: no package.json beside them says that they are modules.
async function addressOf(path) {
  let text = await readFile(path, 'utf8');
  for (const [whole, name] of text.matchAll(/from '(\.\/[^']+)'/g)) {
    text = text.replace(whole, `from '${await addressOf(fileURLToPath(new URL(name, `file://${path}`)))}'`);
  }
  return `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
}
const web = async (name) => import(await addressOf(fileURLToPath(new URL(`../../service/web/${name}`, import.meta.url))));

const address = await web('address.js');
const parameters = await web('parameters.js');
const { pieces, warned } = await web('highlights.js');
const { relative, written } = await web('times.js');
const { bars, betterInterval, isIn, rangeOf } = await web('histogram.js');
const { completed, quotedName, wordAt } = await web('box_fields.js');
const { Turns } = await web('turns.js');
const { aboutField } = await web('words.js');

const asked = (patch) => ({ ...address.NOTHING_ASKED, ...patch });

test('an address and what is asked are the same', () => {
  const all = asked({
    q: 'a & b = "c" #1', sort: 'subject', organization_uid: 'x', open: 'y', page: 7, per_page: 50, is_read: 'false', has_reply: 'true',
    from: '2003-05-01', to: '2004', status: ['active', 'closed'], channel: ['sms'], category: ['Docs, translations', '"x"'],
    agent_uid: ['none'], direction: ['inbound'],
  });
  assert.deepEqual(address.fromFragment(`#${address.toFragment(all)}`), all);
  assert.equal(address.toFragment(address.NOTHING_ASKED), '');
  assert.deepEqual(address.fromFragment(''), asked({}));
});

test('what an address must not say is left out', () => {
  const odd = address.fromFragment('#page=0&per_page=7&from=tomorrow&to=2003-5&status=&status=a&status=a&x=1&page=2');
  assert.deepEqual(odd, asked({ status: ['a'] }));
  assert.equal(address.fromFragment('#page=1e3').page, 1);
  assert.equal(address.fromFragment('#page=999999999999999').page, 999999999999999);
});

test('another filter begins on the first page, and none stands alone', () => {
  const before = asked({ page: 9, open: 'y', category: ['a'] });
  assert.deepEqual(address.toggled(before, 'category', 'b'), asked({ category: ['a', 'b'] }));
  assert.deepEqual(address.toggled(before, 'category', 'none').category, ['none']);
  assert.deepEqual(address.toggled(asked({ category: ['none'] }), 'category', 'a').category, ['a']);
  assert.deepEqual(address.toggled(before, 'category', 'a').category, []);
  assert.equal(address.toggled(asked({ is_read: 'true' }), 'is_read', 'true').is_read, '');
  assert.deepEqual(address.withoutFilters(asked({ q: 'x', status: ['a'], from: '2003' })), asked({ q: 'x' }));
});

test('parameters of the API', () => {
  const question = asked({ q: 'x', category: ['Docs, translations', 'a"b', 'none of it', 'None'], agent_uid: ['1', '2'], channel: ['sms'], from: '2003', page: 3 });
  assert.deepEqual(parameters.shownParameters(question, 'Europe/Berlin'), [
    ['q', 'x'], ['match', 'auto'], ['channel', 'sms'], ['category', '"Docs, translations","a""b",none of it,"None"'],
    ['agent_uid[in]', '1,2'], ['created_on[gte]', '2003'], ['tz', 'Europe/Berlin'], ['sort', 'relevance'], ['page', '3'],
  ]);
  assert.deepEqual(parameters.shownParameters(asked({ category: ['none'] }), 'UTC'), [['category', 'none']]);
  assert.equal(parameters.curlLine('http://h/a', [['q', "it's"]]),
    `curl -sG -H "Authorization: Bearer $TOKEN" 'http://h/a' \\\n  --data-urlencode 'q=it'\\''s'`);
});

test('only a plain last word may go on', () => {
  for (const q of ['windo', 'a windo', 'status:active łod']) assert.equal(parameters.begun(q), `${q}*`);
  for (const q of ['', 'x', 'windo ', 'windo*', '"a windo', 'from:ada', '-windo', 'a OR', 'a)']) assert.equal(parameters.begun(q), null);
});

test('marked places count code points, in any order, and never twice', () => {
  assert.deepEqual(pieces('😀 windows 😀', [[2, 9]]).map((one) => one.text), ['😀 ', 'windows', ' 😀']);
  assert.deepEqual(pieces('abcdef', [[4, 9], [0, 2], [1, 3]]), [
    { text: 'ab', isMarked: true }, { text: 'c', isMarked: true }, { text: 'd', isMarked: false }, { text: 'ef', isMarked: true },
  ]);
  assert.deepEqual(pieces('', [[0, 1]]), []);
  assert.deepEqual(warned([{ position: 3, text: '😀x' }, { position: 9, text: '' }]), [[3, 5], [9, 10]]);
});

test('relative times choose their unit', () => {
  const now = Date.parse('2026-11-26T12:00:00Z');
  const ago = (then) => relative(then, now, 'en');
  assert.match(ago('2026-11-26T11:59:30Z'), /30 sec/);
  assert.match(ago('2026-11-26T09:00:00Z'), /3 hr/);
  assert.equal(ago('2026-11-25T12:00:00Z'), 'yesterday');
  assert.match(ago('2003-05-01T00:00:00Z'), /24 yr|23 yr/);
  assert.equal(relative('nonsense', now, 'en'), '');
  assert.equal(written('2003-05', 'de'), 'Mai 2003');
});

test('bars have no gaps, hold everything, and are few', () => {
  const days = bars([{ value: '2003-05-01', count: 2 }, { value: '2003-05-04', count: 1 }]);
  assert.deepEqual(days.map((bar) => bar.count), [2, 0, 0, 1]);
  for (const last of ['2003-06', '2003-12', '2008-02', '2026-08', '2150-01']) {
    const found = bars([{ value: '2003-05', count: 5 }, { value: last, count: 2 }]);
    assert.ok(found.length <= 48, `${last}: ${found.length}`);
    assert.equal(found.reduce((sum, bar) => sum + bar.count, 0), 7);
    for (const [place, bar] of found.entries()) {
      assert.ok(bar.from <= bar.to);
      if (place) assert.equal(Date.parse(bar.from) - Date.parse(found[place - 1].to), 86_400_000);
    }
  }
  assert.deepEqual(bars([]), []);
  assert.equal(bars([{ value: '2003-05-03', count: 1 }, { value: '2003-09-03', count: 1 }])[0].from, '2003-04-28');
});

test('ranges of bars', () => {
  const [may, june] = bars([{ value: '2003-05', count: 1 }, { value: '2003-06', count: 1 }]);
  assert.deepEqual(rangeOf(june, may), { from: '2003-05-01', to: '2003-06-30' });
  assert.ok(isIn(may, '2003-05-09', '2003-05-10'));
  assert.ok(isIn(june, '', '2003-06') && isIn(june, '2003', ''));
  assert.ok(!isIn(june, '', '2003-05-31'));
  assert.equal(betterInterval([{ value: '2003-05' }, { value: '2003-09' }]), 'day');
  assert.equal(betterInterval([{ value: '2003-05' }, { value: '2005-09' }]), 'month');
});

test('the word at the cursor says what is completed', () => {
  const at = (text, cursor = text.length) => wordAt(text, cursor);
  assert.deepEqual([at('windows inv').kind, at('windows inv').phrase, at('windows inv').start], ['text', 'windows inv', 8]);
  assert.equal(at('status:active inv').phrase, 'inv');
  assert.deepEqual(at('sta').fields, ['status']);
  assert.deepEqual(at('-status:dr').values, ['draft']);
  assert.deepEqual(at('is:un').values, ['unread', 'unassigned', 'unreplied']);
  assert.deepEqual(at('has:').values, ['attachment']);
  assert.deepEqual(at('direction:').values, ['inbound', 'outbound', 'none', 'any']);
  assert.deepEqual(at('status:draft,cl').values, ['closed']);
  assert.equal(at('status:draft,cl').start, 13);
  assert.deepEqual([at('from:ada').kind, at('from:ada').part, at('from:ada').typed], ['names', 'senders', 'ada']);
  assert.deepEqual([at('category:"Docs, tr').kind, at('category:"Docs, tr').typed], ['names', 'Docs, tr']);
  assert.equal(at('"a phr').kind, 'nothing');
  assert.equal(at('http://x').kind, 'nothing');
  assert.deepEqual(completed('windo status:active', 5, 0, 'windows', false), { text: 'windows status:active', cursor: 8 });
  assert.deepEqual(completed('a sta', 5, 2, 'status:', true), { text: 'a status:', cursor: 9 });
  assert.equal(quotedName('Docs, translations'), '"Docs, translations"');
  assert.equal(quotedName('Bugs'), 'Bugs');
  assert.deepEqual(['5" disk', '„low“', 'None'].map(quotedName), ['"5"" disk"', '"„low“"', '"None"']);
});

test('an answer that comes too late is dropped', async () => {
  const turns = new Turns();
  const told = [];
  let answer;
  const old = turns.take(() => new Promise((resolve) => { answer = resolve; }), (found) => told.push(found), () => told.push('failed'));
  const newer = turns.take(async () => 'new', (found) => told.push(found), () => told.push('failed'));
  answer('old');
  await Promise.all([old, newer]);
  assert.deepEqual(told, ['new']);
});

test('a field of the search box without a text of its own has none, and not the name of the text', () => {
  assert.equal(aboutField('mood'), '');
});

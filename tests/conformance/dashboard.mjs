// node dashboard.mjs ALMAGESTD: the dashboard's files as the server serves them, and its pages run
// against that server. They build trees of plain objects, so a few lines stand in for a browser.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startServer } from './running_server.mjs';

const [executable] = process.argv.slice(2);
const KEY = 'dashboard-key-0123456789';
const SOURCES = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../http/dashboard');
const FILES = readdirSync(SOURCES);
const load = (name) => import(path.join(SOURCES, name));
let server;

// As much of a browser as tree.js and the pages ask for.
class Element {
  constructor(tag) { Object.assign(this, { tag, attributes: {}, children: [], listeners: {} }); }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  append(child) { this.children.push(child); }
  replaceChildren(...children) { this.children = children; }
  get text() { return this.children.map((child) => (typeof child === 'string' ? child : child.text)).join(''); }
  all(tag) { return this.children.flatMap((child) => (child.tag ? [...(child.tag === tag ? [child] : []), ...child.all(tag)] : [])); }
}
globalThis.document = {
  createElement: (tag) => new Element(tag),
  createElementNS: (_, tag) => new Element(tag),
  createTextNode: (text) => text,
};
const stored = new Map();
globalThis.sessionStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => stored.set(key, value),
  removeItem: (key) => stored.delete(key),
};
// The pages are loaded from the source folder and mean the server that serves them.
const realFetch = globalThis.fetch;
const here = new URL('../', `file://${SOURCES}/api.mjs`).href;
globalThis.fetch = (url, options) => realFetch(String(url).replace(here, `${server.url}/`), options);

async function admin(method, target, body) {
  const response = await realFetch(server.url + target, {
    method, headers: { 'api-key': KEY, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()).result;
}

before(async () => {
  server = await startServer(executable, ['--api-key', KEY]);
  await admin('PUT', '/collections/shop', { vectors: { look: { size: 2, distance: 'Cosine' } } });
  const points = [1, 2, 3].map((id) => ({ id, vector: { look: [id, 1] }, payload: { title: `<b>thing ${id}</b>` } }));
  await admin('PUT', '/collections/shop/points?wait=true', { points });
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

describe('files', () => {
  test('all are served to anybody, and allow no code but their own', async () => {
    for (const name of FILES) {
      const response = await realFetch(`${server.url}/dashboard/${name}`);
      assert.equal(response.status, 200, name);
      assert.equal(await response.text(), readFileSync(path.join(SOURCES, name), 'utf8'), name);
      const type = { '.mjs': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html' }[path.extname(name)];
      assert.ok(response.headers.get('content-type').startsWith(type), name);
      assert.match(response.headers.get('content-security-policy'), /default-src 'none'; script-src 'self';/);
    }
    const page = readFileSync(path.join(SOURCES, 'index.html'), 'utf8');
    assert.doesNotMatch(page, /<script(?![^>]*src=)|<style| on\w+=| style=/, 'the policy would refuse it');
    for (const [, name] of page.matchAll(/(?:src|href)="([^"#]+)"/g)) assert.ok(FILES.includes(name), name);
  });
  test('nothing else is: data keeps its key', async () => {
    const moved = await realFetch(`${server.url}/dashboard`, { redirect: 'manual' });
    assert.deepEqual([moved.status, moved.headers.get('location')], [307, 'dashboard/index.html']);
    assert.equal((await realFetch(`${server.url}/dashboard/`)).url, `${server.url}/dashboard/index.html`);
    assert.equal((await realFetch(`${server.url}/dashboard/none.js`)).status, 404);
    assert.equal((await realFetch(`${server.url}/dashboard%2f..%2fcollections`)).status, 401);
    assert.equal((await realFetch(`${server.url}/dashboard/..%2fcollections`)).status, 404);
    assert.equal((await realFetch(`${server.url}/collections`)).status, 401);
  });
});

describe('pages', () => {
  // The page's element, and what ends its refreshing.
  async function shown(file, page, ...args) {
    const place = new Element('main');
    const leave = await (await load(file))[page](place, ...args);
    leave?.();
    return place;
  }
  test('a missing key is said, and taken', async () => {
    const { call, setKey } = await load('api.mjs');
    await assert.rejects(call('GET', 'collections'), /enter a key above/);
    setKey(KEY);
    assert.equal((await call('GET', 'collections')).collections[0].name, 'shop');
  });
  test('overview', async () => {
    const place = await shown('overview.mjs', 'overviewPage');
    assert.match(place.text, /shop .*green.*3 points in 1 segments/);
    assert.match(place.text, /look: 2 Cosine/);
    assert.match(place.text, /No adaptation has run yet/);
  });
  test('learning shows the version served and what can be done', async () => {
    const place = await shown('learning.mjs', 'learningPage', 'shop', {});
    assert.match(place.text, /Version 0 is active/);
    assert.match(place.text, /3 of 3 documents are stored by version 0/);
    assert.match(place.text, /Does not start by itself/);
    const learn = place.all('button').find((button) => button.text === 'Learn now');
    await learn.listeners.click();
    assert.match(place.all('section')[0].text, /without adaptation|trainer/, 'this server has none, and says so');
  });
  test('a version without a report', async () => {
    const place = await shown('version.mjs', 'versionPage', 'shop', '0', {});
    assert.match(place.text, /Version 0 active.*There is no report/);
    await assert.rejects(shown('version.mjs', 'versionPage', 'shop', '7', {}), /has no version 7/);
  });
  test('search says why it cannot', async () => {
    const place = await shown('search.mjs', 'searchPage', 'shop', { text: 'thing' });
    assert.notEqual(place.all('p').find((line) => line.attributes.class === 'bad').text, '');
  });
});

describe('drawing', () => {
  const interval = { mean: 0.2, low: 0.1, high: 0.3 };
  test('a whole report, and one with nothing in it', async () => {
    const { reportSections } = await load('report.mjs');
    const { mount } = await load('tree.mjs');
    const place = new Element('main');
    const entry = { event: 4, active: 0.1, trained: 0.9, text: '<i>bird</i>', query_id: null, relevant: [1] };
    mount(place, reportSections({
      reason: 'It holds.', winner: 'b', explanation: 'Chosen: b', queries: { held_out: 12 },
      gate: { verdict: 'promote', conditions: [{ name: 'gain_over_active', value: 0.1, limit: 0, passed: true, explanation: 'fine' }] },
      gain: { ...interval, over_whitened: interval },
      metrics: { identity: { ndcg_at_10: interval }, trained: { ndcg_at_10: { mean: 0.4, low: 0.3, high: 0.5 } } },
      compatibility: { versions: ['0', 'new'], ndcg_at_10: [[0.2, 0.2], [0.4, null]] },
      loss_curve: [{ name: 'b', best_step: 25, temperature: 0.05, validation_ndcg_at_10: 0.4,
                     hardness: { margins: [-0.1], shares: [0.25, 0.75], weight: 2 },
                     curve: [{ step: 0, validation_ndcg_at_10: 0.2 }, { step: 25, validation_ndcg_at_10: 0.4 }] }],
      changes: { won: 5, lost: 2, unchanged: 5, won_most: [entry], lost_most: [{ ...entry, text: null }] },
      geometry: { effective_rank: 3, finite: true }, cells: [],
    }, 9, 'my shop'));
    assert.match(place.text, /It holds\..*\+0\.2000 \(\+0\.1000 to \+0\.3000\)/);
    assert.match(place.text, /✓ gain over active/);
    assert.match(place.text, /5 queries won, 2 lost, 5 unchanged/);
    const link = place.all('a').find((element) => element.text === '<i>bird</i>');
    assert.equal(link.attributes.href, '#/collections/my%20shop?text=%3Ci%3Ebird%3C%2Fi%3E');
    assert.match(place.text, /feedback event 4/);
    assert.equal(place.all('rect').filter((cell) => cell.attributes.class === 'cell').length, 4);
    assert.match(place.text, /version 9/);
    mount(place, reportSections({ reason: 'Too little feedback', status: 'skipped' }, 'new', 'c'));
    assert.match(place.text, /Too little feedback/);
    mount(place, reportSections(null, 1, 'c'));
    assert.match(place.text, /There is no report/);
  });
  test('charts stay inside of their frame', async () => {
    const { heatMap, intervals, lines, progress, ticks } = await load('charts.mjs');
    const numbers = (node) => [
      ...Object.entries(node.attributes ?? {}).filter(([name]) => ['x', 'x1', 'x2', 'y', 'y1', 'y2', 'cx', 'cy', 'width'].includes(name))
        .map(([, value]) => Number(value)),
      ...(node.children ?? []).flatMap(numbers)];
    const same = { name: 'same', mean: 0.5, low: 0.5, high: 0.5 };
    for (const chart of [intervals([same], 'x'), intervals([same, { name: 'far', mean: -3, low: -9, high: 9 }], 'x'),
                         lines([{ name: 'a', mark: 0, points: [{ x: 0, y: 1 }] }], 'x', 'y'), progress(7), progress(NaN),
                         heatMap(['0'], [[0.3]], 1), heatMap(Array(17).fill('1'), Array(17).fill(Array(17).fill(0)), 1)]) {
      const [width, height] = chart.attributes.viewBox.split(' ').slice(2).map(Number);
      for (const number of numbers(chart)) {
        assert.ok(Number.isFinite(number) && number >= -1 && number <= Math.max(width, height) + 1, JSON.stringify(chart).slice(0, 300));
      }
    }
    assert.deepEqual(ticks(0.11, 0.29).map((mark) => mark.toFixed(2)), ['0.15', '0.20', '0.25']);
    assert.deepEqual(ticks(3, 3), [3]);
  });
  test('what pages compute', async () => {
    const { rowsByVersion } = await load('overview.mjs');
    assert.deepEqual(
      rowsByVersion([{ versions: { a: 2 }, rows: 10, deleted: 1 }, { versions: { a: 0 }, rows: 5, deleted: 0 }]),
      [{ field: 'a', parts: [{ name: 'version 0', value: 5 }, { name: 'version 2', value: 9 }] }]);
    const { moveOf, titleOf } = await load('search.mjs');
    const others = [{ id: 7 }, { id: 8 }, { id: 9 }];
    assert.deepEqual([moveOf(9, 1, others), moveOf(7, 2, others), moveOf(8, 2, others), moveOf(1, 1, others)], ['▲ 2', '▼ 1', '', 'new']);
    assert.deepEqual(titleOf({ n: 1, name: ['a', 'b'], about: 'x' }), { title: 'a, b', rest: [['n', 1], ['about', 'x']] });
    assert.deepEqual(titleOf(null), { title: '', rest: [] });
    const { curvesOf } = await load('job.mjs');
    const step = (at, value) => ({ event: 'step', step: at, validation_ndcg_at_10: value });
    assert.deepEqual(curvesOf([{ event: 'phase' }, step(0, 0.1), step(25, 0.2), step(0, 0.1)]).map((curve) => curve.points.length), [2, 1]);
    const { bytes, duration } = await load('format.mjs');
    assert.deepEqual([bytes(999), bytes(1500), bytes(72e6)], ['999 B', '1.5 KB', '72 MB']);
    assert.deepEqual([duration(5), duration(65), duration(7300)], ['5 s', '1:05 min', '2 h 1 min']);
  });
});

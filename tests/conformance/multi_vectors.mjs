// node multi_vectors.mjs ALMAGESTD FOLDER: the official client (in FOLDER/node_modules) works with
// multi-vectors as late-interaction models make them: create, upsert, query, rescore, recommend.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { startServer } from './running_server.mjs';

const [executable, packages] = process.argv.slice(2);
const { QdrantClient } = createRequire(path.join(path.resolve(packages ?? '.'), 'package.json'))(
  '@qdrant/js-client-rest',
);
let server;
let client;

const ids = (points) => points.map((point) => point.id);
const ask = async (body) => (await client.query('texts', body)).points;

before(async () => {
  server = await startServer(executable);
  client = new QdrantClient({ url: server.url });
  await client.createCollection('texts', {
    vectors: {
      dense: { size: 2, distance: 'Dot' },
      colbert: {
        size: 2,
        distance: 'Cosine',
        multivector_config: { comparator: 'max_sim' },
        hnsw_config: { m: 0 },
      },
    },
  });
  await client.upsert('texts', {
    wait: true,
    points: [
      { id: 1, vector: { dense: [1, 0], colbert: [[1, 0], [0, 1]] }, payload: { lang: 'en' } },
      { id: 2, vector: { dense: [2, 0], colbert: [[3, 4]] }, payload: { lang: 'de' } },
      { id: 3, vector: { dense: [3, 0], colbert: [[-2, 0], [0, 2]] }, payload: { lang: 'en' } },
    ],
  });
  await client.upsert('texts', {
    wait: true,
    batch: { ids: [4, 5], vectors: { dense: [[4, 0], [5, 0]], colbert: [[[0, -1]], [5, 0]] } },
  });
});
after(async () => assert.equal(await server.stop(), 0));

test('settings and stored rows come back', async () => {
  const { config } = await client.getCollection('texts');
  assert.deepEqual(config.params.vectors.colbert.multivector_config, { comparator: 'max_sim' });
  const [first, second, fifth] = await client.retrieve('texts', {
    ids: [1, 2, 5],
    with_vector: ['colbert'],
  });
  assert.deepEqual(first.vector, { colbert: [[1, 0], [0, 1]] });
  assert.deepEqual(second.vector, { colbert: [[0.6, 0.8]] });
  assert.deepEqual(fifth.vector, { colbert: [[1, 0]] });
});

test('a matrix is compared by MaxSim', async () => {
  const points = await ask({ query: [[2, 0], [0, 3]], using: 'colbert' });
  assert.deepEqual(ids(points), [1, 2, 3, 5, 4]);
  assert.equal(points[0].score, 2);
  assert.ok(Math.abs(points[1].score - 1.4) < 1e-6);
  const english = await ask({
    query: [[2, 0]],
    using: 'colbert',
    filter: { must: [{ key: 'lang', match: { value: 'en' } }] },
    with_payload: true,
  });
  assert.deepEqual(ids(english), [1, 3]);
  assert.deepEqual(english[0].payload, { lang: 'en' });
});

test('what a dense search finds is rescored', async () => {
  const points = await ask({
    prefetch: { query: [1, 0], using: 'dense', limit: 3 },
    query: [[1, 0], [0, 1]],
    using: 'colbert',
    limit: 2,
  });
  assert.deepEqual(ids(points), [3, 5]);
  const fused = await ask({
    prefetch: [
      { query: [1, 0], using: 'dense', limit: 2 },
      { query: [[1, 0]], using: 'colbert', limit: 2 },
    ],
    query: { fusion: 'rrf' },
  });
  assert.deepEqual(ids(fused), [5, 1, 4]);
});

test('examples, groups, updates and deletions', async () => {
  const alike = await ask({
    query: { recommend: { positive: [1], negative: [[[0, -1]]], strategy: 'sum_scores' } },
    using: 'colbert',
    limit: 1,
  });
  assert.deepEqual(ids(alike), [2]);
  const { groups } = await client.queryGroups('texts', {
    query: [[0, 1]],
    using: 'colbert',
    group_by: 'lang',
    group_size: 1,
  });
  assert.deepEqual(groups.map((group) => [group.id, group.hits[0].id]), [['en', 1], ['de', 2]]);
  await client.updateVectors('texts', {
    wait: true,
    points: [{ id: 4, vector: { colbert: [[0, 1], [1, 0], [-1, 0]] } }],
  });
  const points = await ask({ query: [[1, 0], [0, 1], [-1, 0]], using: 'colbert', limit: 1 });
  assert.deepEqual([points[0].id, points[0].score], [4, 3]);
  await client.deleteVectors('texts', { wait: true, points: [4], vector: ['colbert'] });
  assert.ok(!ids(await ask({ query: [[1, 0]], using: 'colbert' })).includes(4));
});

test('what does not fit is refused by name', async () => {
  const refusal = async (call) => {
    try {
      await call();
    } catch (error) {
      return [error.status, error.data?.status?.error ?? String(error.message)];
    }
    return assert.fail('nothing was refused');
  };
  const upsert = (vector) => () => client.upsert('texts', { points: [{ id: 9, vector }] });
  const [status, text] = await refusal(upsert({ colbert: [[1, 0], [1]] }));
  assert.equal(status, 422);
  assert.match(text, /points\[0\]\.vector\.colbert\[1\]/);
  assert.equal((await refusal(upsert({ colbert: [] })))[0], 400);
  assert.match((await refusal(upsert({ dense: [[1, 0]] })))[1], /between multi and regular/);
  assert.equal((await refusal(() => ask({ query: [[1, 0]], using: 'dense' })))[0], 400);
});

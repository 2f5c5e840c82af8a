// node query_steps.mjs ALMAGESTD FOLDER: the official client (in FOLDER/node_modules) asks for
// everything the query call can do beyond a plain search.
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

const ask = async (body) => (await client.query('films', body)).points;
const ids = (points) => points.map((point) => point.id);
async function refusal(body) {
  try {
    await client.query('films', body);
  } catch (error) {
    return { status: error.status, text: error.data?.status?.error ?? String(error.message) };
  }
  return assert.fail('nothing was refused');
}

before(async () => {
  server = await startServer(executable);
  client = new QdrantClient({ url: server.url });
  await client.createCollection('films', {
    vectors: { plot: { size: 2, distance: 'Dot' }, poster: { size: 1, distance: 'Euclid' } },
    sparse_vectors: { words: { modifier: 'idf' } },
  });
  await client.createPayloadIndex('films', {
    field_name: 'year',
    field_schema: 'integer',
    wait: true,
  });
  const film = (id, plot, year, more = {}) => ({
    id,
    vector: { plot, poster: [id], words: { indices: [id % 2], values: [1] } },
    payload: { year, ...more },
  });
  await client.upsert('films', {
    wait: true,
    points: [
      film(1, [1, 0], 1990, { place: { lon: 13.4, lat: 52.5 }, shown: '2024-01-01T00:00:00Z' }),
      film(2, [2, 0], 1980, { place: { lon: -0.1, lat: 51.5 }, shown: '2024-01-03T00:00:00Z' }),
      film(3, [3, 1], 1970, { liked: true }),
      film(4, [4, -1], 1960),
    ],
  });
});
after(async () => assert.equal(await server.stop(), 0));

test('formulas over prefetches', async () => {
  const prefetch = { query: [1, 0], using: 'plot' };
  const boosted = await ask({
    prefetch,
    query: {
      formula: {
        sum: [
          '$score',
          { mult: [10, { key: 'liked', match: { value: true } }] },
          { div: { left: 1, right: { abs: { neg: 4 } } } },
        ],
      },
    },
  });
  assert.deepEqual(ids(boosted), [3, 4, 2, 1]);
  assert.deepEqual(boosted.map((point) => point.score), [13.25, 4.25, 2.25, 1.25]);
  const recent = await ask({
    prefetch,
    query: {
      formula: {
        exp_decay: {
          x: { datetime_key: 'shown' },
          target: { datetime: '2024-01-01T00:00:00Z' },
          scale: 86400,
          midpoint: 0.5,
        },
      },
      defaults: { shown: '2024-01-02T00:00:00Z' },
    },
  });
  assert.deepEqual(recent.map((point) => point.score), [1, 0.5, 0.5, 0.25]);
  const near = await ask({
    prefetch: [prefetch, { query: [1], using: 'poster', limit: 1 }],
    query: {
      formula: {
        sum: [
          '$score[1]',
          { lin_decay: { x: { geo_distance: { origin: { lon: 13.4, lat: 52.5 }, to: 'place' } } } },
        ],
      },
      defaults: { place: { lon: 0, lat: 0 }, '$score[1]': 2 },
    },
  });
  assert.deepEqual(near.map((point) => point.score), [2, 2, 2, 1]);
  const missing = await refusal({ prefetch, query: { formula: 'price' } });
  assert.equal(missing.status, 400);
  assert.match(missing.text, /Expected number value for price in the payload and\/or in the formula/);
  const infinite = await refusal({ prefetch, query: { formula: { ln: { sqrt: 0 } } } });
  assert.match(infinite.text, /non-finite number/);
});

test('fusion with k and weights, thresholds and pages', async () => {
  const prefetch = [
    { query: [1, 0], using: 'plot', limit: 2 },
    { query: [1], using: 'poster', limit: 2 },
  ];
  const fused = await ask({ prefetch, query: { rrf: { k: 60, weights: [3, 1] } } });
  assert.deepEqual(ids(fused), [4, 3, 1, 2]);
  assert.ok(Math.abs(fused[0].score - 1 / (1 / 3 + 59)) < 1e-6);
  assert.deepEqual(ids(await ask({ prefetch, query: { fusion: 'rrf' }, limit: 2, offset: 2 })).length, 2);
  const spread = await ask({ prefetch: prefetch[0], query: { fusion: 'dbsf' } });
  assert.ok(spread[0].score > 0.5 && spread[1].score < 0.5);
  assert.deepEqual(
    ids(await ask({ prefetch: { ...prefetch[0], score_threshold: 3.5 }, query: { fusion: 'rrf' } })),
    [4],
  );
  assert.equal((await refusal({ prefetch, query: { rrf: { weights: [1] } } })).status, 400);
  assert.match((await refusal({ prefetch })).text, /A query is needed to merge the prefetches/);
});

test('relevance feedback, sets, idf over a corpus', async () => {
  const feedback = await ask({
    using: 'plot',
    query: {
      relevance_feedback: {
        target: [1, 0],
        feedback: [
          { example: [0, 2], score: 0.75 },
          { example: [0, 1], score: 0.25 },
        ],
        strategy: { naive: { a: 1, b: 1, c: 8 } },
      },
    },
  });
  assert.deepEqual(feedback.map((point) => point.score), [7, 2, 1, 0]);
  assert.deepEqual(
    ids(await ask({ using: 'plot', query: { set: { all_of: [[1, 0], [0, 5]], none_of: [2] } } })),
    [1, 3, 4],
  );
  const rare = await ask({
    using: 'words',
    query: { indices: [1], values: [1] },
    params: { idf: { corpus: { must: [{ has_id: [1, 2, 4] }] } } },
  });
  assert.ok(Math.abs(rare[0].score - Math.log((3 - 1 + 0.5) / 1.5 + 1)) < 1e-6);
});

test('order by a value, random samples', async () => {
  const oldest = await ask({ query: { order_by: { key: 'year', start_from: 1970 } } });
  assert.deepEqual(ids(oldest), [3, 2, 1]);
  assert.equal(oldest[0].order_value, 1970);
  assert.deepEqual(ids(await ask({ query: { sample: 'random' } })).sort(), [1, 2, 3, 4]);
  assert.equal(
    (await refusal({ query: { order_by: 'year' }, score_threshold: 1 })).status,
    400,
  );
});

test('an explanation', async () => {
  // The official client sends only the options that it knows.
  const answer = await fetch(`${server.url}/collections/films/points/query`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      prefetch: [{ query: [1, 0], using: 'plot' }, { query: [1], using: 'poster', limit: 1 }],
      query: { fusion: 'rrf' },
      explain: true,
      limit: 1,
    }),
  });
  const { result } = await answer.json();
  const { legs, hits } = result.explanation;
  assert.deepEqual(legs.map((leg) => leg.path), ['prefetch[0]', 'prefetch[1]', 'query']);
  assert.equal(legs[0].segments[0].plan, 'scan');
  assert.deepEqual(hits[0].map((place) => place.rank), [3, 0, 0]);
});

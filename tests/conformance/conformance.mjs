// node conformance.mjs ALMAGESTD FOLDER: the official client (in FOLDER/node_modules) goes through
// the core of the data plane, as its users do: collections, points, payloads, vectors, queries.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { startServer } from './running_server.mjs';

const [executable, packages] = process.argv.slice(2);
if (!existsSync(path.join(packages ?? '', 'node_modules/@qdrant/js-client-rest'))) {
  console.error(`conformance: there is no JavaScript client in ${packages}; run ./dev setup first`);
  process.exit(1);
}
const { QdrantClient } = createRequire(path.join(path.resolve(packages), 'package.json'))(
  '@qdrant/js-client-rest',
);

const UUID = '550e8400-e29b-41d4-a716-446655440000';
let server;
let client;

before(async () => {
  server = await startServer(executable);
  client = new QdrantClient({ url: server.url });
});
after(async () => {
  assert.equal(await server.stop(), 0, 'almagestd ends cleanly after SIGTERM');
});

// The status and text of the error that `call` is refused with.
async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { status: error.status, text: error.data?.status?.error ?? String(error.message) };
  }
  return assert.fail('nothing was refused');
}
const ids = (points) => points.map((point) => point.id);
const sorted = (list) => [...list].map(String).sort();

describe('collections', () => {
  test('version information without a warning', async () => {
    const info = await client.versionInfo();
    assert.match(info.version, /^1\.(18|19)\./);
    assert.equal(typeof info.title, 'string');
  });

  test('create, show, list, change, drop', async () => {
    assert.equal((await client.collectionExists('shop')).exists, false);
    assert.equal(
      await client.createCollection('shop', { vectors: { size: 4, distance: 'Dot' } }),
      true,
    );
    assert.equal((await client.collectionExists('shop')).exists, true);
    const again = await refusal(() =>
      client.createCollection('shop', { vectors: { size: 4, distance: 'Dot' } }),
    );
    assert.equal(again.status, 409);
    const shown = await client.getCollection('shop');
    assert.equal(shown.points_count, 0);
    assert.equal(shown.config.params.vectors.size, 4);
    assert.equal(shown.config.params.vectors.distance, 'Dot');
    assert.equal(await client.updateCollection('shop', { hnsw_config: { m: 24 } }), true);
    assert.equal((await client.getCollection('shop')).config.hnsw_config.m, 24);
    assert.deepEqual(
      (await client.getCollections()).collections.map((entry) => entry.name),
      ['shop'],
    );
    assert.equal(await client.deleteCollection('shop'), true);
    assert.equal(await client.deleteCollection('shop'), false);
    const missing = await refusal(() => client.getCollection('shop'));
    assert.equal(missing.status, 404);
    assert.match(missing.text, /^Not found: Collection `shop` doesn't exist!/);
  });

  test('aliases switch between collections at once', async () => {
    const vectors = { size: 2, distance: 'Dot' };
    await client.createCollection('first', { vectors });
    await client.createCollection('second', { vectors });
    await client.upsert('second', { wait: true, points: [{ id: 1, vector: [1, 0] }] });
    const create = (collection_name) => ({ create_alias: { collection_name, alias_name: 'live' } });
    await client.updateCollectionAliases({ actions: [create('first')] });
    assert.equal((await client.count('live')).count, 0);
    await client.updateCollectionAliases({
      actions: [{ delete_alias: { alias_name: 'live' } }, create('second')],
    });
    assert.equal((await client.count('live')).count, 1);
    const expected = [{ alias_name: 'live', collection_name: 'second' }];
    assert.deepEqual((await client.getAliases()).aliases, expected);
    assert.deepEqual((await client.getCollectionAliases('second')).aliases, expected);
    await client.deleteCollection('first');
    await client.deleteCollection('second');
    assert.deepEqual((await client.getAliases()).aliases, []);
  });

  test('names of every kind', async () => {
    for (const name of ['with space', 'ümlaut', 'a.b-c_d', '100%']) {
      await client.createCollection(name, { vectors: { size: 2, distance: 'Cosine' } });
      assert.equal((await client.getCollection(name)).points_count, 0);
      assert.equal(await client.deleteCollection(name), true);
    }
  });
});

describe('points', () => {
  const points = [
    { id: 1, vector: [0.05, 0.61, 0.76, 0.74], payload: { city: 'Berlin', n: 1 } },
    { id: 2, vector: [0.19, 0.81, 0.75, 0.11], payload: { city: ['Berlin', 'London'], n: 2 } },
    { id: 3, vector: [0.36, 0.55, 0.47, 0.94], payload: { city: ['Berlin', 'Moscow'], n: 3 } },
    { id: 4, vector: [0.18, 0.01, 0.85, 0.8], payload: { city: ['London', 'Moscow'], n: 4 } },
    { id: UUID, vector: [0.24, 0.18, 0.22, 0.44], payload: { count: [0], n: null } },
    { id: 6, vector: [0.35, 0.08, 0.11, 0.44] },
  ];
  before(async () => {
    await client.createCollection('points', { vectors: { size: 4, distance: 'Dot' } });
    const result = await client.upsert('points', { wait: true, points });
    assert.equal(result.status, 'completed');
  });

  test('retrieve: what was stored comes back digit by digit', async () => {
    const found = await client.retrieve('points', {
      ids: [1, 99, UUID],
      with_vector: true,
      with_payload: true,
    });
    assert.deepEqual(sorted(ids(found)), sorted([1, UUID]));
    const first = found.find((point) => point.id === 1);
    assert.deepEqual(first.vector, points[0].vector);
    assert.deepEqual(first.payload, points[0].payload);
  });

  test('count and scroll', async () => {
    assert.equal((await client.count('points')).count, 6);
    const seen = [];
    let offset;
    do {
      const page = await client.scroll('points', { limit: 4, offset });
      seen.push(...ids(page.points));
      offset = page.next_page_offset;
    } while (offset !== null);
    assert.deepEqual(seen, [1, 2, 3, 4, 6, UUID], 'numbers before UUIDs, ascending');
  });

  test('nearest, in both generations of the call', async () => {
    const query = [0.2, 0.1, 0.9, 0.7];
    const answer = await client.query('points', { query, limit: 3, with_payload: true });
    assert.deepEqual(ids(answer.points), [4, 1, 3]);
    assert.ok(Math.abs(answer.points[0].score - 1.362) < 1e-5, String(answer.points[0].score));
    assert.deepEqual(answer.points[1].payload, points[0].payload);
    const older = await client.search('points', { vector: query, limit: 3 });
    assert.deepEqual(ids(older), [4, 1, 3]);
    const batch = await client.queryBatch('points', {
      searches: [
        { query, limit: 1 },
        { query: 4, limit: 1 },
      ],
    });
    assert.deepEqual(ids(batch[0].points), [4]);
    assert.notEqual(batch[1].points[0].id, 4, 'a query by id leaves that point out');
    const skipped = await client.query('points', { query, limit: 2, offset: 1 });
    assert.deepEqual(ids(skipped.points), [1, 3]);
    const good = await client.query('points', { query, score_threshold: 1.27 });
    assert.deepEqual(ids(good.points), [4, 1]);
  });

  test('queries by example', async () => {
    const examples = { positive: [4], negative: [2] };
    const average = await client.query('points', { query: { recommend: examples }, limit: 10 });
    assert.deepEqual(sorted(ids(average.points)), sorted([1, 3, 6, UUID]), 'examples are left out');
    const older = await client.recommend('points', { ...examples, limit: 10 });
    assert.deepEqual(ids(older), ids(average.points));
    for (const strategy of ['best_score', 'sum_scores']) {
      const answer = await client.query('points', { query: { recommend: { ...examples, strategy } } });
      assert.equal(answer.points.length, 4);
    }
    const context = [{ positive: 1, negative: 2 }];
    const found = await client.query('points', { query: { discover: { target: 4, context } } });
    assert.deepEqual(sorted(ids(found.points)), sorted([3, 6, UUID]));
    const discovered = await client.discoverPoints('points', { target: 4, context, limit: 10 });
    assert.deepEqual(ids(discovered), ids(found.points));
    const inContext = await client.query('points', { query: { context } });
    assert.ok(inContext.points.every((point) => point.score <= 0));
    const diverse = await client.query('points', {
      query: { nearest: [0.2, 0.1, 0.9, 0.7], mmr: { diversity: 0, candidates_limit: 6 } },
      limit: 3,
    });
    assert.deepEqual(ids(diverse.points), [4, 1, 3]);
  });

  const matching = async (filter) =>
    sorted(ids((await client.scroll('points', { filter, limit: 100 })).points));

  test('filters', async () => {
    const city = (value) => ({ key: 'city', match: { value } });
    assert.deepEqual(await matching({ must: [city('London')] }), sorted([2, 4]));
    assert.deepEqual(await matching({ should: [city('London'), city('Moscow')] }), sorted([2, 3, 4]));
    assert.deepEqual(await matching({ must_not: [city('Berlin')] }), sorted([4, 6, UUID]));
    assert.deepEqual(
      await matching({ must: [{ key: 'city', match: { any: ['London'] } }], must_not: [city('Berlin')] }),
      ['4'],
    );
    assert.deepEqual(await matching({ must: [{ key: 'city', match: { except: ['Berlin'] } }] }), sorted([2, 3, 4]));
    assert.deepEqual(await matching({ must: [{ key: 'city', match: { text_any: 'Lond scow' } }] }), sorted([2, 3, 4]));
    assert.deepEqual(await matching({ must: [{ key: 'n', range: { gt: 1, lte: 3 } }] }), ['2', '3']);
    assert.deepEqual(await matching({ must: [{ is_null: { key: 'n' } }] }), [UUID]);
    assert.deepEqual(await matching({ must: [{ is_empty: { key: 'n' } }] }), sorted([6, UUID]));
    assert.deepEqual(await matching({ must: [{ has_id: [1, UUID, 77] }] }), sorted([1, UUID]));
    assert.deepEqual(
      await matching({
        min_should: {
          conditions: [city('London'), city('Moscow'), { key: 'n', range: { gte: 3 } }],
          min_count: 2,
        },
      }),
      sorted([3, 4]),
    );
  });

  test('payload indexes change nothing but speed', async () => {
    const filter = { must: [{ key: 'city', match: { value: 'Moscow' } }] };
    const plain = await matching(filter);
    await client.createPayloadIndex('points', {
      field_name: 'city',
      field_schema: 'keyword',
      wait: true,
    });
    await client.createPayloadIndex('points', { field_name: 'n', field_schema: 'integer', wait: true });
    const shown = await client.getCollection('points');
    assert.equal(shown.payload_schema.city.data_type, 'keyword');
    assert.equal(shown.payload_schema.city.points, 4);
    assert.deepEqual(await matching(filter), plain);
    const ordered = await client.scroll('points', { order_by: { key: 'n', direction: 'desc' } });
    assert.deepEqual(ids(ordered.points), [4, 3, 2, 1]);
    await client.deletePayloadIndex('points', 'city', { wait: true });
    assert.deepEqual(await matching(filter), plain);
  });

  test('groups, facets and the distance matrix', async () => {
    await client.createPayloadIndex('points', { field_name: 'city', field_schema: 'keyword', wait: true });
    const query = [0.2, 0.1, 0.9, 0.7];
    const grouped = { group_by: 'city', group_size: 2, limit: 2 };
    const { groups } = await client.queryGroups('points', { query, ...grouped });
    assert.deepEqual(groups.map((group) => [group.id, ids(group.hits)]).sort(), [
      ['London', [4, 2]],
      ['Moscow', [4, 3]],
    ]);
    const older = await client.searchPointGroups('points', { vector: query, ...grouped });
    assert.deepEqual(older.groups.map((group) => group.id), groups.map((group) => group.id));
    const byNumber = await client.queryGroups('points', {
      query, group_by: 'n', limit: 1, with_lookup: 'points',
    });
    assert.equal(byNumber.groups[0].lookup.id, 4);
    const facet = await client.facet('points', { key: 'city' });
    assert.deepEqual(facet.hits, [
      { value: 'Berlin', count: 3 },
      { value: 'London', count: 2 },
      { value: 'Moscow', count: 2 },
    ]);
    const pairs = await client.searchMatrixPairs('points', { sample: 6, limit: 2 });
    assert.equal(pairs.pairs.length, 12);
    const offsets = await client.searchMatrixOffsets('points', { sample: 6, limit: 2 });
    assert.deepEqual(offsets.ids, [1, 2, 3, 4, 6, UUID]);
    assert.deepEqual(offsets.offsets_row.slice(0, 4), [0, 0, 1, 1]);
    await client.deletePayloadIndex('points', 'city', { wait: true });
  });

  test('payload operations', async () => {
    const payloadOf = async (id) =>
      (await client.retrieve('points', { ids: [id], with_payload: true }))[0].payload;
    await client.setPayload('points', { payload: { colour: 'red' }, points: [6], wait: true });
    assert.deepEqual(await payloadOf(6), { colour: 'red' });
    await client.setPayload('points', { payload: { a: 1 }, key: 'deep.er', points: [6], wait: true });
    assert.deepEqual(await payloadOf(6), { colour: 'red', deep: { er: { a: 1 } } });
    await client.deletePayload('points', { keys: ['deep.er.a'], points: [6], wait: true });
    assert.deepEqual(await payloadOf(6), { colour: 'red', deep: { er: {} } });
    await client.overwritePayload('points', { payload: { only: true }, points: [6], wait: true });
    assert.deepEqual(await payloadOf(6), { only: true });
    await client.clearPayload('points', { points: [6], wait: true });
    assert.deepEqual(await payloadOf(6), {});
  });

  test('delete, and batches of operations', async () => {
    const results = await client.batchUpdate('points', {
      wait: true,
      operations: [
        { upsert: { points: [{ id: 10, vector: [1, 0, 0, 0], payload: { k: 1 } }] } },
        { set_payload: { payload: { k: 2 }, points: [10] } },
        { delete: { points: [2] } },
      ],
    });
    assert.equal(results.length, 3);
    const found = await client.retrieve('points', { ids: [2, 10], with_payload: true });
    assert.deepEqual(found.map((point) => [point.id, point.payload]), [[10, { k: 2 }]]);
    await client.delete('points', { wait: true, filter: { must: [{ has_id: [10] }] } });
    assert.equal((await client.count('points')).count, 5);
  });

  test('bad input is refused and changes nothing', async () => {
    const before_ = (await client.count('points')).count;
    const wrong = await refusal(() =>
      client.upsert('points', {
        wait: true,
        points: [
          { id: 50, vector: [1, 2, 3, 4] },
          { id: 51, vector: [1, 2, 3] },
        ],
      }),
    );
    assert.equal(wrong.status, 400);
    assert.match(wrong.text, /Vector dimension error: expected dim: 4, got 3/);
    assert.equal((await client.count('points')).count, before_);
    const unknown = await refusal(() =>
      client.query('points', { query: [1, 2, 3, 4], using: 'nowhere' }),
    );
    assert.equal(unknown.status, 400);
    assert.match(unknown.text, /Not existing vector name error: nowhere/);
    const closed = await refusal(() => client.scroll('points', { filter: { musst: [] } }));
    assert.equal(closed.status, 400);
    assert.equal((await refusal(() => client.query('points', { query: [1, 2, 3, 4], limit: 0 }))).status, 422);
  });
});

describe('named and sparse vectors, hybrid search', () => {
  before(async () => {
    await client.createCollection('hybrid', {
      vectors: {
        image: { size: 2, distance: 'Cosine' },
        text: { size: 3, distance: 'Euclid' },
      },
      sparse_vectors: { terms: { modifier: 'idf' } },
    });
    await client.upsert('hybrid', {
      wait: true,
      points: [
        { id: 1, vector: { image: [3, 4], text: [0, 0, 0], terms: { indices: [7, 3], values: [1, 2] } } },
        { id: 2, vector: { image: [0, 2], text: [1, 0, 0], terms: { indices: [3], values: [1] } } },
        { id: 3, vector: { text: [0, 3, 4] } },
      ],
    });
  });

  test('cosine vectors come back normalised, sparse ones sorted', async () => {
    const [point] = await client.retrieve('hybrid', { ids: [1], with_vector: true });
    assert.ok(Math.abs(point.vector.image[0] - 0.6) < 1e-6);
    assert.ok(Math.abs(point.vector.image[1] - 0.8) < 1e-6);
    assert.deepEqual(point.vector.terms, { indices: [3, 7], values: [2, 1] });
    const some = await client.retrieve('hybrid', { ids: [1], with_vector: ['text'] });
    assert.deepEqual(Object.keys(some[0].vector), ['text']);
  });

  test('distances as Qdrant shows them', async () => {
    const euclid = await client.query('hybrid', { query: [0, 0, 0], using: 'text' });
    assert.deepEqual(euclid.points.map((point) => [point.id, point.score]), [[1, 0], [2, 1], [3, 5]]);
    const cosine = await client.query('hybrid', { query: [0, 1], using: 'image' });
    assert.deepEqual(ids(cosine.points), [2, 1], 'a point without the vector is no result');
  });

  test('sparse with idf', async () => {
    const answer = await client.query('hybrid', {
      query: { indices: [7, 3], values: [1, 1] },
      using: 'terms',
    });
    assert.deepEqual(ids(answer.points), [1, 2]);
    // Two points hold term 3, one holds term 7, of two with the vector.
    const idf = (df) => Math.log((2 - df + 0.5) / (df + 0.5) + 1);
    assert.ok(Math.abs(answer.points[0].score - (idf(1) + 2 * idf(2))) < 1e-5);
  });

  test('fusion of prefetches', async () => {
    const prefetch = [
      { query: [0, 1], using: 'image', limit: 10 },
      { query: { indices: [7], values: [1] }, using: 'terms', limit: 10 },
    ];
    const rrf = await client.query('hybrid', { prefetch, query: { fusion: 'rrf' } });
    assert.deepEqual(sorted(ids(rrf.points)), ['1', '2']);
    // k = 2: ranks 0 and 1 of the first list are worth 1/2 and 1/3.
    const scores = Object.fromEntries(rrf.points.map((point) => [point.id, point.score]));
    assert.ok(Math.abs(scores[1] - (1 / 3 + 1 / 2)) < 1e-5);
    assert.ok(Math.abs(scores[2] - 1 / 2) < 1e-5);
    const dbsf = await client.query('hybrid', { prefetch, query: { fusion: 'dbsf' } });
    assert.equal(dbsf.points.length, 2);
  });

  test('vectors change one by one', async () => {
    await client.updateVectors('hybrid', {
      wait: true,
      points: [{ id: 3, vector: { image: [1, 0] } }],
    });
    let [point] = await client.retrieve('hybrid', { ids: [3], with_vector: true });
    assert.deepEqual(sorted(Object.keys(point.vector)), ['image', 'text']);
    await client.deleteVectors('hybrid', { wait: true, points: [3], vector: ['text'] });
    [point] = await client.retrieve('hybrid', { ids: [3], with_vector: true });
    assert.deepEqual(Object.keys(point.vector), ['image']);
  });
});

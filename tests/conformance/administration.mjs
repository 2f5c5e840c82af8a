// node administration.mjs ALMAGESTD FOLDER: the official client (in FOLDER/node_modules) on the
// operator's side: keys, tokens, snapshots, named vectors, issues, telemetry.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
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

const KEY = 'conformance-key-0123456789';
const READ_ONLY_KEY = 'conformance-reader-0123456789';
let server;
let client;

function clientWith(apiKey) {
  return new QdrantClient({ url: server.url, apiKey, checkCompatibility: false });
}
function token(claims, key = KEY) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}
async function status(call) {
  try {
    await call();
  } catch (error) {
    return error.status;
  }
  return 200;
}
async function raw(method, target, options = {}) {
  const headers = { 'api-key': KEY, ...options.headers };
  return fetch(server.url + target, { method, headers, body: options.body });
}
const points = [1, 2, 3].map((id) => ({ id, vector: { a: [id, 1] }, payload: { n: id } }));

before(async () => {
  server = await startServer(executable, [
    '--api-key', KEY, '--read-only-api-key', READ_ONLY_KEY, '--jwt-rbac',
  ]);
  client = clientWith(KEY);
  await client.createCollection('c', { vectors: { a: { size: 2, distance: 'Dot' } } });
  await client.upsert('c', { wait: true, points });
});
after(async () => {
  assert.equal(await server.stop(), 0, 'almagestd ends cleanly after SIGTERM');
});

describe('keys and tokens', () => {
  test('no key, a wrong one, the reader, a token', async () => {
    assert.equal(await status(() => clientWith().getCollections()), 401);
    assert.equal(await status(() => clientWith('wrong').getCollections()), 401);
    const reader = clientWith(READ_ONLY_KEY);
    assert.equal((await reader.count('c')).count, 3);
    assert.equal(await status(() => reader.deleteCollection('c')), 403);
    const own = clientWith(token({ access: [{ collection: 'c', access: 'rw' }] }));
    assert.equal((await own.count('c')).count, 3);
    await own.setPayload('c', { payload: { seen: true }, points: [1], wait: true });
    assert.equal(await status(() => own.deleteCollection('c')), 403);
    assert.equal(await status(() => own.count('other')), 403);
    const late = clientWith(token({ exp: 1_000_000_000 }));
    assert.equal(await status(() => late.getCollections()), 403);
    assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  });
});

describe('named vectors', () => {
  test('added, written, searched, removed', async () => {
    const add = (name, body) =>
      raw('PUT', `/collections/c/vectors/${name}?wait=true`, {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });
    const added = await add('b', { dense: { size: 3, distance: 'Cosine' } });
    assert.equal(added.status, 200);
    assert.equal((await added.json()).result.status, 'completed');
    assert.equal((await add('t', { sparse: { modifier: 'idf' } })).status, 200);
    assert.equal((await add('z', { dense: { size: 0, distance: 'Dot' } })).status, 422);
    await client.updateVectors('c', { wait: true, points: [{ id: 2, vector: { b: [0, 0, 2] } }] });
    const found = await client.query('c', { query: [0, 0, 1], using: 'b', with_vector: true });
    assert.deepEqual(found.points.map((point) => [point.id, point.vector.b]), [[2, [0, 0, 1]]]);
    for (const name of ['b', 't']) {
      assert.equal((await raw('DELETE', `/collections/c/vectors/${name}?wait=true`)).status, 200);
    }
    assert.equal(await status(() => client.query('c', { query: [0, 0, 1], using: 'b' })), 400);
    assert.deepEqual(Object.keys((await client.getCollection('c')).config.params.vectors), ['a']);
  });
});

describe('snapshots', () => {
  const content = async () => (await client.scroll('c', { with_vector: true })).points;
  test('of a collection: made, listed, fetched, recovered, deleted', async () => {
    const before_ = await content();
    const made = await client.createSnapshot('c');
    assert.deepEqual(await client.listSnapshots('c'), [made]);
    const file = await raw('GET', `/collections/c/snapshots/${encodeURIComponent(made.name)}`);
    assert.equal(Number(file.headers.get('content-length')), made.size);
    const bytes = Buffer.from(await file.arrayBuffer());
    assert.equal(createHash('sha256').update(bytes).digest('hex'), made.checksum);
    await client.delete('c', { wait: true, points: [1, 2] });

    const send = async (target, data) => {
      const form = new FormData();
      form.append('snapshot', new Blob([data]), 'c.snapshot');
      return raw('POST', target, { body: form });
    };
    const broken = Buffer.from(bytes);
    broken[broken.length >> 1] ^= 1;
    assert.equal((await send('/collections/c/snapshots/upload', broken)).status, 400);
    assert.equal((await client.count('c')).count, 1);
    const sent = await send(`/collections/c/snapshots/upload?checksum=${made.checksum}`, bytes);
    assert.equal(sent.status, 200, await sent.text());
    assert.deepEqual(await content(), before_);

    await client.deleteCollection('c');
    assert.equal(await status(() => client.listSnapshots('c')), 404);
    const location = `file://${server.folder}/snapshots/collections/c/${made.name}`;
    assert.equal(await status(() => client.recoverSnapshot('c', { location: 'file:///etc/passwd' })), 403);
    assert.equal(await client.recoverSnapshot('c', { location }), true);
    assert.deepEqual(await content(), before_);
    assert.equal(await client.deleteSnapshot('c', made.name), true);
    assert.deepEqual(await client.listSnapshots('c'), []);
    assert.equal(await status(() => client.deleteSnapshot('c', made.name)), 404);
  });

  test('of the whole store, and in the background', async () => {
    const made = await client.createFullSnapshot();
    assert.match(made.name, /^full-snapshot-.*\.snapshot$/);
    assert.deepEqual(await client.listFullSnapshots(), [made]);
    assert.equal(await client.deleteFullSnapshot(made.name), true);
    assert.deepEqual(await client.listFullSnapshots(), []);
    const accepted = await raw('POST', '/collections/c/snapshots?wait=false');
    assert.equal(accepted.status, 202);
    assert.equal((await accepted.json()).status, 'accepted');
    for (const target of ['/snapshots/..%2f..%2fVERSION', '/snapshots/%2fetc%2fpasswd']) {
      assert.equal((await raw('GET', target)).status, 404);
    }
  });
});

describe('service', () => {
  test('telemetry, issues, metrics, compressed answers', async () => {
    const telemetry = (await (await raw('GET', '/telemetry?details_level=3')).json()).result;
    assert.equal(telemetry.collections.number_of_collections, 1);
    assert.equal(typeof telemetry.id, 'string');
    assert.deepEqual((await (await raw('GET', '/issues')).json()).result.issues, []);
    assert.equal((await (await raw('DELETE', '/issues')).json()).result, true);
    assert.match(await (await raw('GET', '/metrics')).text(), /^collections_total 1$/m);
    const many = Array.from({ length: 400 }, (_, i) => ({ id: i + 10, vector: { a: [i, 1] }, payload: { text: 'a word '.repeat(9) } }));
    await client.upsert('c', { wait: true, points: many });
    const page = await raw('POST', '/collections/c/points/scroll', {
      body: '{"limit": 1000}', headers: { 'content-type': 'application/json', 'accept-encoding': 'gzip' },
    });
    assert.equal(page.headers.get('content-encoding'), 'gzip');
    assert.equal((await page.json()).result.points.length, 403);
  });
});

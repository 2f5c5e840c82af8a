// All collections and jobs, kept fresh.
import {call, part} from './api.mjs';
import {progress, stack} from './charts.mjs';
import {bytes, count, duration, moment} from './format.mjs';
import {h, mount} from './tree.mjs';

const kRefreshMilliseconds = 3000;

// The rows of each dense vector by the version that they are stored by, from the segments.
export function rowsByVersion(segments) {
  const fields = new Map();
  for (const segment of segments) {
    for (const [field, version] of Object.entries(segment.versions)) {
      const rows = fields.get(field) ?? new Map();
      rows.set(version, (rows.get(version) ?? 0) + segment.rows - segment.deleted);
      fields.set(field, rows);
    }
  }
  return [...fields].map(([field, rows]) => ({
    field,
    parts: [...rows].sort(([a], [b]) => a - b).map(([version, value]) => ({name: `version ${version}`, value}))}));
}

function collectionCard(name, info) {
  const path = `#/collections/${encodeURIComponent(name)}`;
  const {segments} = info.almagest;
  const sum = (key) => segments.reduce((total, segment) => total + segment[key], 0);
  const vectors = Object.entries(info.config.params.vectors ?? {});
  const shapes = 'size' in (info.config.params.vectors ?? {})
    ? [['', info.config.params.vectors]] : vectors;
  return h('section', {},
    h('div', {class: 'row spread'},
      h('h2', {}, h('a', {href: path}, name), ' ', h('span', {class: `badge ${info.status}`}, info.status)),
      h('a', {href: `${path}/learning`}, 'Learning')),
    h('p', {class: 'soft'},
      `${count(info.points_count)} points in ${segments.length} segments, ${bytes(sum('bytes_on_disk'))} of indexes on disk, ` +
      `${bytes(sum('bytes_in_memory'))} in memory`),
    h('p', {class: 'soft'}, shapes.map(([field, shape]) => `${field || 'vector'}: ${shape.size} ${shape.distance}`).join(', ')),
    rowsByVersion(segments).map(({field, parts}) =>
      h('div', {}, h('span', {class: 'soft'}, `rows of ${field || 'the vector'} by version`), stack(parts))));
}

export function jobTable(jobs) {
  if (jobs.length === 0) return h('p', {class: 'empty'}, 'No adaptation has run yet.');
  return h('table', {},
    h('tr', {}, ['job', 'collection', 'state', 'progress', 'started'].map((name) => h('th', {}, name))),
    jobs.map((job) => h('tr', {},
      h('td', {}, h('a', {href: `#/jobs/${encodeURIComponent(job.id)}`}, job.id)),
      h('td', {}, `${job.collection}${job.using ? ` / ${job.using}` : ''}`),
      h('td', {}, h('span', {class: `badge ${job.state}`}, job.state)),
      h('td', {}, job.state === 'running'
        ? [progress(job.fraction), h('span', {class: 'soft'}, `${job.phase}, about ${duration(job.eta_seconds)} left`)]
        : job.reason ?? ''),
      h('td', {}, moment(job.started_at_ms ?? job.created_at_ms)))));
}

// What one part of a page cannot show does not take the others with it.
export async function attempt(promise) {
  try {
    return {value: await promise};
  } catch (error) {
    return {error};
  }
}

export async function overviewPage(place) {
  const draw = async () => {
    const {collections} = await call('GET', 'collections');
    const [server, jobs, ...infos] = await Promise.all([
      call('GET', ''), attempt(call('GET', 'jobs')),
      ...collections.map(({name}) => attempt(call('GET', part('collections', name))))]);
    mount(place,
      h('div', {class: 'row spread'}, h('h1', {}, 'Collections'),
        h('span', {class: 'soft'}, `Almagest ${server.almagest_version}`)),
      collections.length === 0 && h('section', {class: 'empty'}, 'There is no collection yet. ',
        'PUT /collections/{name} creates one; README.md has a session with curl.'),
      h('div', {class: 'columns'}, collections.map(({name}, i) => infos[i].error
        ? h('section', {class: 'error'}, `${name}: ${infos[i].error.message}`)
        : collectionCard(name, infos[i].value))),
      h('section', {class: 'wide'}, h('h2', {}, 'Adaptations'),
        jobs.error ? h('p', {class: 'bad'}, jobs.error.message) : jobTable(jobs.value.jobs)));
  };
  await draw();
  const timer = setInterval(() => draw().catch(() => {}), kRefreshMilliseconds);
  return () => clearInterval(timer);
}

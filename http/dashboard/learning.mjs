// The learning loop of one dense vector: what is served, what could be, and the move between them.
import {call, part, versionsPath} from './api.mjs';
import {intervals, progress} from './charts.mjs';
import {count, duration, interval, moment, words} from './format.mjs';
import {attempt, jobTable} from './overview.mjs';
import {h, mount} from './tree.mjs';

const kRefreshMilliseconds = 2000;

// The names of a collection's single dense vectors, '' for an unnamed one.
export async function denseFields(collection) {
  const {config} = await call('GET', part('collections', collection));
  const vectors = config.params.vectors ?? {};
  return 'size' in vectors ? [''] : Object.keys(vectors).filter((name) => !vectors[name].multivector_config);
}

// Asks, activates, and draws again. A version that the gate refused takes a second yes.
export async function switchTo(collection, using, version, draw) {
  const rejected = version.status === 'rejected';
  const question = rejected
    ? `The gate refused version ${version.version}. Serve by it all the same?`
    : `Serve searches by version ${version.version} from now on? Re-embedding follows in the background.`;
  if (!confirm(question)) return;
  const path = `${versionsPath(collection, using, version.version, 'activate')}&force=${rejected}`;
  const {error} = await attempt(call('POST', path));
  if (error) alert(error.message);
  await draw();
}

function versionTable(collection, using, versions, draw) {
  return h('table', {},
    h('tr', {}, ['version', 'kind', 'status', 'held-out gain in nDCG@10', 'made', ''].map((name) => h('th', {}, name))),
    versions.map((version) => h('tr', {},
      h('td', {}, h('a', {href: `#/collections/${encodeURIComponent(collection)}/versions/${version.version}` +
                                `?using=${encodeURIComponent(using)}`}, String(version.version))),
      h('td', {}, words(version.kind)),
      h('td', {}, h('span', {class: `badge ${version.status}`}, version.status),
        version.tainted && h('span', {class: 'bad'}, ' feedback deleted since')),
      h('td', {}, interval(version.gain)),
      h('td', {}, version.version === 0 ? 'the vectors as given' : moment(version.created_at_ms)),
      h('td', {}, version.status !== 'active' &&
        h('button', {onclick: () => switchTo(collection, using, version, draw)}, 'Activate')))));
}

function reembedding(state, turn) {
  const done = state.rows_done >= state.rows_total;
  return h('section', {}, h('div', {class: 'row spread'}, h('h2', {}, 'Re-embedding'),
      !done && h('button', {onclick: turn}, state.paused ? 'Resume' : 'Pause')),
    progress(state.fraction),
    h('p', {class: 'soft'}, `${count(state.rows_done)} of ${count(state.rows_total)} documents are stored by version ${state.target}`,
      done ? '' : state.paused ? ', paused; the others are searched by it all the same'
                               : `, about ${duration(state.eta_seconds)} left; the others are searched by it all the same`));
}

function policy(state) {
  const hours = state.quiet_hours.from === state.quiet_hours.until ? ''
    : `, not from ${state.quiet_hours.from} to ${state.quiet_hours.until} o’clock`;
  return h('section', {}, h('h2', {}, 'By itself'),
    h('p', {}, state.automatic
      ? `Learns after ${count(state.min_new_events)} new feedback events and ${state.min_hours} hours${hours}.`
      : 'Does not start by itself. PUT …/learning {"automatic": true} lets it.'),
    h('p', {class: 'soft'}, `${count(state.new_events)} new feedback events since the last job. `,
      state.rollback ? 'Goes back by itself if users find less.' : 'Never goes back by itself.',
      state.last_rollback && ` Last time: ${state.last_rollback.reason}`));
}

export async function learningPage(place, collection, options) {
  const fields = await denseFields(collection);
  const using = options.using ?? fields[0];
  if (using === undefined) {
    mount(place, h('section', {class: 'empty'}, 'This collection has no dense vector, and only those learn.'));
    return () => {};
  }
  const query = `?using=${encodeURIComponent(using)}`;
  let message = null;
  const act = (method, path, body) => async () => {
    const {error} = await attempt(call(method, path, body));
    message = error?.message ?? null;
    await draw();
  };
  const choose = (event) => {
    location.hash = `/collections/${encodeURIComponent(collection)}/learning?using=${encodeURIComponent(event.target.value)}`;
  };
  const draw = async () => {
    const [list, state, loop, jobs] = await Promise.all([
      call('GET', versionsPath(collection, using)),
      call('GET', part('collections', collection, 'reembedding') + query),
      call('GET', part('collections', collection, 'learning') + query), attempt(call('GET', 'jobs'))]);
    const measured = list.versions.filter((version) => version.metrics?.trained?.ndcg_at_10)
      .map((version) => ({name: `version ${version.version}`, ...version.metrics.trained.ndcg_at_10}));
    const base = list.versions.find((version) => version.metrics?.identity)?.metrics.identity.ndcg_at_10;
    mount(place,
      h('div', {class: 'row spread'}, h('h1', {}, `Version ${list.active} is active`),
        h('div', {class: 'row'},
          fields.length > 1 && h('select', {value: using, onchange: choose, 'aria-label': 'vector'},
            fields.map((field) => h('option', {value: field}, field))),
          h('button', {onclick: act('POST', part('collections', collection, 'versions', 'rollback') + query),
                       disabled: list.active === 0 && list.versions.length === 1}, 'Roll back'),
          h('button', {class: 'main', onclick: act('POST', part('collections', collection, 'adaptations'), {using})},
            'Learn now'))),
      message && h('section', {class: 'error'}, message),
      h('section', {class: 'wide'}, h('h2', {}, 'Versions'), versionTable(collection, using, list.versions, draw),
        list.next_offset !== null && h('p', {class: 'soft'}, `${count(list.total)} in all; the older ones by GET …/versions?offset=${list.next_offset}`)),
      h('div', {class: 'columns'},
        measured.length > 0 && h('section', {}, h('h2', {}, 'Quality when they were judged'),
          intervals([...(base ? [{name: 'as given', ...base}] : []), ...measured.reverse()], 'nDCG@10 with 95 % intervals')),
        reembedding(state, act('POST', part('collections', collection, 'reembedding') + query, {paused: !state.paused})),
        policy(loop)),
      h('section', {class: 'wide'}, h('h2', {}, 'Adaptations'), jobs.error
        ? h('p', {class: 'soft'}, jobs.error.message)
        : jobTable(jobs.value.jobs.filter((job) => job.collection === collection && job.using === using))));
  };
  await draw();
  const timer = setInterval(() => draw().catch(() => {}), kRefreshMilliseconds);
  return () => clearInterval(timer);
}

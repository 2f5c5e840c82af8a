// Search as users do, beside another version: what learning changed, hit by hit. Feedback from here
// is feedback like any other.
import {call, part, search, versionsPath} from './api.mjs';
import {decimal} from './format.mjs';
import {denseFields} from './learning.mjs';
import {attempt} from './overview.mjs';
import {h, mount} from './tree.mjs';

const kTitleKeys = ['title', 'name', 'lemmas', 'text', 'headline'];

function say(value) {
  return Array.isArray(value) ? value.join(', ') : typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

// A payload's most telling field, and the others.
export function titleOf(payload) {
  const entries = Object.entries(payload ?? {});
  const found = kTitleKeys.map((key) => entries.find(([name]) => name === key)).find(Boolean) ??
    entries.find(([, value]) => typeof value === 'string');
  return {title: found ? say(found[1]) : '', rest: entries.filter((entry) => entry !== found)};
}

// How a hit stands in `others`: "new", "▲ 3", "▼ 1" or "".
export function moveOf(id, rank, others) {
  const before = others.findIndex((hit) => hit.id === id) + 1;
  if (before === 0) return 'new';
  if (before === rank) return '';
  return before > rank ? `▲ ${before - rank}` : `▼ ${rank - before}`;
}

function hitList(hits, others, judge) {
  if (hits.length === 0) return h('p', {class: 'empty'}, 'Nothing found.');
  return h('ol', {class: 'hits'}, hits.map((hit, i) => {
    const {title, rest} = titleOf(hit.payload);
    const move = others && moveOf(hit.id, i + 1, others);
    return h('li', {},
      h('span', {class: 'rank'}, String(i + 1)),
      h('div', {}, h('div', {}, title || `point ${hit.id}`, ' ',
          move && h('span', {class: move.startsWith('▼') ? 'bad' : 'good'}, move)),
        h('div', {class: 'fields'}, [...rest.map(([key, value]) => `${key}: ${say(value)}`), `id ${hit.id}`].join(' · '))),
      h('div', {class: 'row'}, h('span', {class: 'soft'}, decimal(hit.score)),
        judge && [h('button', {title: 'What I was looking for', onclick: () => judge('clicks', {id: hit.id, rank: i + 1})}, '✓'),
                  h('button', {title: 'Not what I meant', onclick: () => judge('negatives', hit.id)}, '✗')]));
  }));
}

export async function searchPage(place, collection, options) {
  const fields = await denseFields(collection);
  const state = {using: options.using ?? fields[0] ?? '', text: options.text ?? '', model: 'use-lite', limit: 10,
                 other: '', versions: [], active: 0, message: null, note: null, found: null, compared: null};

  const loadVersions = async () => {
    const {value} = await attempt(call('GET', versionsPath(collection, state.using)));
    state.versions = value?.versions ?? [];
    state.active = value?.active ?? 0;
    state.other = state.active === 0 ? '' : '0';
  };

  const run = async () => {
    const body = {query: {nearest: {text: state.text, model: state.model}}, using: state.using || undefined,
                  limit: state.limit, with_payload: true};
    const [found, compared] = await Promise.all([
      attempt(search(collection, body)),
      state.other === '' ? null
        : attempt(search(collection, {...body, params: {adapter_version: Number(state.other)}}))]);
    state.message = found.error?.message ?? compared?.error?.message ?? null;
    state.note = null;
    state.found = found.value ?? null;
    state.compared = compared?.value ?? null;
    draw();
  };

  const judge = async (kind, entry) => {
    const impressions = state.found.points.map((hit, i) => ({id: hit.id, rank: i + 1}));
    const event = {query: {query_id: state.found.queryId}, [kind]: [entry], impressions, user: 'dashboard'};
    const {error} = await attempt(call('POST', part('collections', collection, 'feedback'), {events: [event]}));
    state.message = error?.message ?? null;
    state.note = error ? null : 'Recorded as feedback of the user “dashboard”.';
    draw();
  };

  const draw = () => {
    const set = (key) => (event) => { state[key] = event.target.value; };
    const judgeable = state.found?.queryId ? judge : null;
    mount(place,
      h('section', {}, h('form', {class: 'row', onsubmit: (event) => { event.preventDefault(); run(); }},
        h('input', {class: 'grow', value: state.text, oninput: set('text'), placeholder: 'Describe what you are looking for',
                    'aria-label': 'query text', autofocus: true}),
        fields.length > 1 && h('select', {value: state.using, 'aria-label': 'vector',
                                          onchange: async (event) => { state.using = event.target.value; await loadVersions(); draw(); }},
          fields.map((field) => h('option', {value: field}, field))),
        h('input', {value: state.model, oninput: set('model'), size: 10, 'aria-label': 'model', title: 'The model that makes the text a vector'}),
        state.versions.length > 1 && h('select', {value: state.other, onchange: set('other'), 'aria-label': 'compare with'},
          h('option', {value: ''}, 'compare with nothing'),
          state.versions.filter((version) => version.version !== state.active).map((version) =>
            h('option', {value: String(version.version)},
              version.version === 0 ? 'beside the vectors as given' : `beside version ${version.version}`))),
        h('button', {class: 'main'}, 'Search')),
        state.message && h('p', {class: 'bad'}, state.message), state.note && h('p', {class: 'good'}, state.note)),
      state.found && h('div', {class: 'columns'},
        h('section', {}, h('h2', {}, state.active === 0 ? 'The vectors as given' : `Version ${state.active}, active`),
          hitList(state.found.points, state.compared?.points, judgeable)),
        state.compared && h('section', {}, h('h2', {}, state.other === '0' ? 'The vectors as given' : `Version ${state.other}`),
          hitList(state.compared.points, null, null))));
  };

  await loadVersions();
  draw();
  if (state.text) await run();
}

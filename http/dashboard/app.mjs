// Which page is shown: the part of the address after '#'. A page is a function that mounts itself
// into `place` and returns what has to be called when it is left (or nothing).
import {setKey} from './api.mjs';
import {jobPage} from './job.mjs';
import {learningPage} from './learning.mjs';
import {overviewPage} from './overview.mjs';
import {searchPage} from './search.mjs';
import {h, mount} from './tree.mjs';
import {versionPage} from './version.mjs';

const pages = [
  [/^$/, () => [[], overviewPage]],
  [/^jobs\/([^/]+)$/, (job) => [[], (place) => jobPage(place, job)]],
  [/^collections\/([^/]+)$/, (name) => [tabs(name, 0), (place, options) => searchPage(place, name, options)]],
  [/^collections\/([^/]+)\/learning$/, (name) => [tabs(name, 1), (place, options) => learningPage(place, name, options)]],
  [/^collections\/([^/]+)\/versions\/(\d+)$/,
    (name, version) => [tabs(name, 1), (place, options) => versionPage(place, name, version, options)]],
];

function tabs(name, here) {
  const path = `#/collections/${encodeURIComponent(name)}`;
  return [name, h('a', {href: path, class: here === 0 && 'here'}, 'Search'),
          h('a', {href: `${path}/learning`, class: here === 1 && 'here'}, 'Learning')];
}

let leave = null;
let shown = 0;

async function show() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const options = Object.fromEntries(new URLSearchParams(query ?? ''));
  leave?.();
  leave = null;
  const turn = ++shown;
  const place = document.getElementById('page');
  for (const [pattern, make] of pages) {
    const match = path.match(pattern);
    if (!match) continue;
    const [navigation, page] = make(...match.slice(1).map(decodeURIComponent));
    mount(document.getElementById('place'), navigation);
    try {
      const left = await page(place, options);
      // The reader may have gone on while this page was being fetched.
      if (turn === shown) leave = left ?? null;
      else left?.();
    } catch (error) {
      if (turn === shown) mount(place, h('section', {class: 'error'}, error.message));
    }
    return;
  }
  mount(place, h('section', {}, 'There is no such page. ', h('a', {href: '#/'}, 'All collections')));
}

document.getElementById('key').addEventListener('submit', (event) => {
  event.preventDefault();
  setKey(event.target.elements.key.value);
  event.target.reset();
  show();
});
window.addEventListener('hashchange', show);
show();

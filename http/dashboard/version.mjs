// One version in full.
import {call, versionsPath} from './api.mjs';
import {moment, words} from './format.mjs';
import {denseFields, switchTo} from './learning.mjs';
import {reportSections} from './report.mjs';
import {h, mount} from './tree.mjs';

export async function versionPage(place, collection, number, options) {
  const using = options.using ?? (await denseFields(collection))[0];
  const draw = async () => {
    const version = await call('GET', versionsPath(collection, using, number));
    mount(place,
      h('div', {class: 'row spread'},
        h('h1', {}, `Version ${version.version} `, h('span', {class: `badge ${version.status}`}, version.status)),
        version.status !== 'active' && h('button', {class: 'main', onclick: () => switchTo(collection, using, version, draw)},
          'Activate')),
      h('p', {class: 'soft'}, `${words(version.kind)}, ${moment(version.created_at_ms)}`,
        version.job_id && [', by ', h('a', {href: `#/jobs/${encodeURIComponent(version.job_id)}`}, version.job_id)],
        version.parent !== null && `, from version ${version.parent}`),
      version.tainted && h('section', {class: 'error'}, 'Feedback that it learned from was deleted later: train again.'),
      reportSections(version.report, version.version, collection));
  };
  await draw();
}

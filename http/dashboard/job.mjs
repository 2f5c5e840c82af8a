// One job: live while it runs, its report afterwards.
import {call, follow, part} from './api.mjs';
import {lines, progress} from './charts.mjs';
import {count, duration, moment} from './format.mjs';
import {reportSections} from './report.mjs';
import {h, mount} from './tree.mjs';

const kRunning = new Set(['queued', 'running']);

// The curves of a job's events so far: candidates come one after the other, told by the step count
// that starts again.
export function curvesOf(events) {
  const curves = [];
  for (const event of events) {
    if (event.event !== 'step' || !Number.isFinite(event.validation_ndcg_at_10)) continue;
    let curve = curves.at(-1);
    if (!curve || event.step < curve.points.at(-1).x) {
      curve = {name: `candidate ${curves.length + 1}`, points: []};
      curves.push(curve);
    }
    curve.points.push({x: event.step, y: event.validation_ndcg_at_10});
  }
  return curves;
}

function head(job, cancel) {
  const version = job.version !== undefined &&
    h('a', {href: `#/collections/${encodeURIComponent(job.collection)}/versions/${job.version}` +
                  `?using=${encodeURIComponent(job.using)}`}, `version ${job.version}`);
  return h('section', {},
    h('div', {class: 'row spread'},
      h('h1', {}, job.id, ' ', h('span', {class: `badge ${job.state}`}, job.state)),
      kRunning.has(job.state) && h('button', {onclick: cancel}, 'Cancel')),
    h('p', {class: 'soft'}, `${job.collection} / ${job.using || 'the vector'}, ${count(job.feedback_events)} feedback events, `,
      `started ${moment(job.started_at_ms)}`,
      job.ended_at_ms && `, took ${duration((job.ended_at_ms - job.started_at_ms) / 1000)}`, version && [', made ', version]),
    job.reason && h('p', {}, job.reason),
    kRunning.has(job.state) && [progress(job.fraction),
      h('p', {}, `${job.phase}, about ${duration(job.eta_seconds)} left`)]);
}

export async function jobPage(place, id) {
  const events = [];
  const stopped = new AbortController();
  const draw = async () => {
    const job = await call('GET', part('jobs', id));
    const cancel = () => confirm(`Cancel ${id}?`) && call('POST', part('jobs', id, 'cancel')).then(draw);
    const running = kRunning.has(job.state);
    mount(place, head(job, cancel),
      running && h('section', {}, h('h2', {}, 'Validation so far'), lines(curvesOf(events), 'step', 'validation nDCG@10')),
      !running && reportSections(job.report, job.version ?? 'new', job.collection));
    return running;
  };
  if (!await draw()) return () => {};
  follow(id, (event) => events.push(event), stopped.signal).catch(() => {});
  const timer = setInterval(async () => {
    try {
      if (!await draw()) clearInterval(timer);
    } catch {
      // The server may be restarting; the next turn tries again.
    }
  }, 1000);
  return () => {
    clearInterval(timer);
    stopped.abort();
  };
}

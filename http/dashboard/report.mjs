// What a trainer's report says, drawn: shared by a job's page and a version's.
import {heatMap, histogram, intervals, lines} from './charts.mjs';
import {count, decimal, interval, signed, words} from './format.mjs';
import {h} from './tree.mjs';

const kMethods = [['identity', 'as given'], ['whitened', 'whitened'], ['active', 'active then'], ['trained', 'this version']];

function verdict(report) {
  const gate = report.gate ?? {conditions: []};
  return h('section', {},
    h('h2', {}, 'The gate ', gate.verdict && h('span', {class: `badge ${gate.verdict}`}, words(gate.verdict))),
    h('p', {}, report.reason),
    report.gain && h('p', {}, 'nDCG@10 on held-out queries: ', h('b', {}, interval(report.gain)),
      '; what feedback added beyond whitening: ', interval(report.gain.over_whitened)),
    h('div', {class: 'wide'}, h('table', {},
      h('tr', {}, h('th', {}, 'condition'), h('th', {class: 'number'}, 'value'), h('th', {class: 'number'}, 'limit'),
        h('th', {}, '')),
      gate.conditions.map((condition) => h('tr', {},
        h('td', {class: condition.passed ? 'good' : 'bad'}, `${condition.passed ? '✓' : '✗'} ${words(condition.name)}`),
        h('td', {class: 'number'}, decimal(condition.value)), h('td', {class: 'number'}, decimal(condition.limit)),
        h('td', {class: 'soft'}, condition.explanation))))));
}

function quality(report) {
  const rows = kMethods.filter(([key]) => report.metrics?.[key]?.ndcg_at_10)
    .map(([key, name]) => ({name, ...report.metrics[key].ndcg_at_10}));
  if (rows.length === 0) return null;
  return h('section', {}, h('h2', {}, 'nDCG@10 on queries that it never saw'),
    intervals(rows, 'nDCG@10 with 95 % intervals'),
    h('p', {class: 'soft'}, `${count(report.queries?.held_out)} held-out queries, 95 % bootstrap intervals`));
}

function curves(report) {
  if (!report.loss_curve?.length) return null;
  return h('section', {}, h('h2', {}, 'What was tried'),
    lines(report.loss_curve.map((candidate) => ({
      name: `${words(candidate.name)}: ${decimal(candidate.validation_ndcg_at_10)}` +
            (candidate.name === report.winner ? ', chosen' : ''),
      mark: candidate.best_step,
      points: candidate.curve.map((point) => ({x: point.step, y: point.validation_ndcg_at_10}))})),
      'step', 'validation nDCG@10'),
    h('p', {class: 'soft'}, report.explanation));
}

function compatibility(report, newName) {
  const matrix = report.compatibility;
  if (!matrix?.versions?.length || !matrix.ndcg_at_10.flat().some((cell) => cell > 0)) return null;
  return h('section', {}, h('h2', {}, 'Searchable together'),
    heatMap(matrix.versions, matrix.ndcg_at_10, newName),
    h('p', {class: 'soft'}, 'nDCG@10 of held-out queries. A column much paler below its diagonal would mean worse ' +
      'results while documents are being re-embedded.'));
}

function changed(changes, collection) {
  if (!changes) return null;
  const list = (title, entries) => entries.length > 0 && h('section', {class: 'wide'}, h('h2', {}, title),
    h('table', {},
      h('tr', {}, h('th', {}, 'query'), h('th', {class: 'number'}, 'before'), h('th', {class: 'number'}, 'after')),
      entries.map((entry) => h('tr', {},
        h('td', {}, entry.text
          ? h('a', {href: `#/collections/${encodeURIComponent(collection)}?text=${encodeURIComponent(entry.text)}`}, entry.text)
          : h('span', {class: 'soft'}, entry.event ? `feedback event ${entry.event}` : 'not named')),
        h('td', {class: 'number'}, decimal(entry.active, 3)), h('td', {class: 'number'}, decimal(entry.trained, 3))))));
  return [
    h('section', {}, h('h2', {}, 'What moved'),
      h('p', {}, h('span', {class: 'good'}, `${count(changes.won)} queries won`), ', ',
        h('span', {class: 'bad'}, `${count(changes.lost)} lost`), `, ${count(changes.unchanged)} unchanged.`)),
    h('div', {class: 'columns'}, list('Won most', changes.won_most), list('Lost most', changes.lost_most))];
}

function cells(report) {
  if (!report.cells?.length) return null;
  return h('section', {class: 'wide'}, h('h2', {}, 'Memory or understanding'),
    h('table', {},
      h('tr', {}, ['queries', 'their answers', 'count', 'before', 'after', 'gain'].map((name) => h('th', {}, name))),
      report.cells.map((cell) => h('tr', {}, h('td', {}, cell.queries === 'training' ? 'trained on' : 'held out'),
        h('td', {}, cell.documents === 'seen' ? 'taught by other queries' : 'never seen as answers'), h('td', {}, count(cell.count)),
        h('td', {}, decimal(cell.ndcg_at_10.active)), h('td', {}, decimal(cell.ndcg_at_10.trained)),
        h('td', {}, interval(cell.gain))))));
}

function diagnostics(report) {
  const chosen = report.loss_curve?.find((candidate) => candidate.name === report.winner);
  const pairs = [];
  for (const [name, value] of Object.entries(report.geometry ?? {})) {
    if (Number.isFinite(value)) pairs.push([words(name), decimal(value, 3)]);
  }
  if (chosen) pairs.push(['temperature', decimal(chosen.temperature, 3)]);
  if (report.drift) pairs.push(['results of unjudged queries kept', decimal(report.drift.overlap_at_10, 3)]);
  if (pairs.length === 0) return null;
  return h('div', {class: 'columns'},
    h('section', {}, h('h2', {}, 'Geometry'),
      h('table', {}, pairs.map(([name, value]) => h('tr', {}, h('td', {}, name), h('td', {class: 'number'}, value))))),
    chosen?.hardness && h('section', {}, h('h2', {}, 'How hard the negatives were'),
      histogram(chosen.hardness.margins, chosen.hardness.shares),
      h('p', {class: 'soft'}, 'Share of mined negatives by the distance of their score from the best answer’s.')));
}

function fusion(report) {
  if (!report.fusion) return null;
  const {ndcg_at_10: found, weights, k} = report.fusion;
  return h('section', {}, h('h2', {}, 'With words'),
    h('p', {}, `dense ${decimal(found.dense)}, words ${decimal(found.text)}, fused equally ${decimal(found.equal_weights)}, ` +
      `as learned ${decimal(found.learned)} (k ${k}, weights ${weights.dense} and ${weights.text})`),
    h('p', {class: 'soft'}, report.fusion.explanation));
}

// Sections for a report; `newName` is the version's number, `collection` where its queries run.
export function reportSections(report, newName, collection) {
  if (!report) return [h('section', {class: 'empty'}, 'There is no report: nothing was trained for this version.')];
  const deployed = report.deployed;
  return [
    verdict(report),
    h('div', {class: 'columns'}, quality(report), compatibility(report, newName), curves(report), cells(report)),
    changed(report.changes, collection),
    fusion(report),
    diagnostics(report),
    deployed && h('section', {class: 'soft'}, deployed.trained_on_held_out_too
      ? `The version served was trained once more on all judged queries; it shares ${signed(deployed.overlap_at_10 * 100, 1).slice(1)} % ` +
        'of the first ten results with the one judged here.'
      : 'The version served is the one judged here.'),
  ].filter(Boolean);
}

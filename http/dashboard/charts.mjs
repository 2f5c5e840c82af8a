// Charts as SVG trees (tree.mjs). Colours are classes of style.css, so that they follow its theme.
import {decimal, words} from './format.mjs';
import {h} from './tree.mjs';

const kWidth = 520;
const kSeries = 8;  // Colours in style.css.

// Round numbers that divide low..high into about `wanted` steps.
export function ticks(low, high, wanted = 4) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / wanted));
  const step = power * ([1, 2, 5, 10].find((factor) => span / (power * factor) <= wanted) ?? 10);
  const marks = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; ++at) marks.push(at * step);
  return marks;
}

function scale(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + (to - from) * (value - low) / span;
}

// Means with their 95 % intervals: rows [{name, mean, low, high}], one line each.
export function intervals(rows, label) {
  const left = 110, right = 64, line = 28, top = 8;
  const low = Math.min(...rows.map((row) => row.low));
  const high = Math.max(...rows.map((row) => row.high));
  const margin = (high - low) * 0.08 || 0.01;
  const x = scale(low - margin, high + margin, left, kWidth - right);
  const bottom = top + rows.length * line;
  return h('svg', {class: 'chart', viewBox: `0 0 ${kWidth} ${bottom + 24}`, role: 'img', 'aria-label': label},
    ticks(low, high).map((mark) => [
      h('line', {class: 'axis', x1: x(mark), x2: x(mark), y1: top, y2: bottom}),
      h('text', {x: x(mark), y: bottom + 16, 'text-anchor': 'middle'}, decimal(mark, 2))]),
    rows.map((row, i) => {
      const y = top + (i + 0.5) * line;
      return [
        h('text', {class: 'ink', x: left - 12, y: y + 4, 'text-anchor': 'end'}, row.name),
        h('line', {class: `whisker s${i % kSeries}`, x1: x(row.low), x2: x(row.high), y1: y, y2: y}),
        h('circle', {class: `f${i % kSeries}`, cx: x(row.mean), cy: y, r: 5},
          h('title', {}, `${row.name}: ${decimal(row.mean)} (${decimal(row.low)} to ${decimal(row.high)})`)),
        h('text', {class: 'ink', x: kWidth - right + 14, y: y + 4}, decimal(row.mean))];
    }));
}

// Curves [{name, points: [{x, y}], mark: x?}]; `mark` is where one was stopped at its best.
export function lines(curves, xLabel, yLabel) {
  const left = 52, right = 12, top = 10, height = 240, bottom = top + height;
  const all = curves.flatMap((curve) => curve.points);
  if (all.length === 0) return h('p', {class: 'empty'}, 'Nothing yet.');
  const ys = all.map((point) => point.y), xs = all.map((point) => point.x);
  const low = Math.min(...ys), high = Math.max(...ys), margin = (high - low) * 0.06 || 0.01;
  const x = scale(0, Math.max(...xs, 1), left, kWidth - right);
  const y = scale(low - margin, high + margin, bottom, top);
  const legend = bottom + 52;
  return h('svg', {class: 'chart', viewBox: `0 0 ${kWidth} ${legend + 18 * curves.length}`, role: 'img', 'aria-label': yLabel},
    ticks(low, high).map((mark) => [
      h('line', {class: 'axis', x1: left, x2: kWidth - right, y1: y(mark), y2: y(mark)}),
      h('text', {x: left - 6, y: y(mark) + 4, 'text-anchor': 'end'}, decimal(mark, high - low < 0.05 ? 3 : 2))]),
    ticks(0, Math.max(...xs, 1), 6).filter(Number.isInteger).map((mark) =>
      h('text', {x: x(mark), y: bottom + 16, 'text-anchor': 'middle'}, String(mark))),
    h('text', {x: kWidth - right, y: bottom + 32, 'text-anchor': 'end'}, xLabel),
    h('text', {x: left, y: bottom + 32}, yLabel),
    curves.map((curve, i) => [
      h('polyline', {class: `curve s${i % kSeries}`,
                     points: curve.points.map((point) => `${x(point.x)},${y(point.y)}`).join(' ')}),
      curve.points.filter((point) => point.x === curve.mark).map((point) =>
        h('circle', {class: `f${i % kSeries}`, cx: x(point.x), cy: y(point.y), r: 4})),
      h('rect', {class: `f${i % kSeries}`, x: left, y: legend + 18 * i - 9, width: 12, height: 4}),
      h('text', {class: 'ink', x: left + 20, y: legend + 18 * i - 2}, curve.name)]));
}

// A square matrix, darker where it is more. `names` of rows and columns, `newName` for "new".
export function heatMap(names, cells, newName) {
  const left = 110, top = 40, size = Math.min(88, (kWidth - left) / names.length);
  const numbers = cells.flat().filter(Number.isFinite);
  const low = Math.min(...numbers), high = Math.max(...numbers);
  const shade = scale(low, high, 0.12, 0.95);
  const title = (name) => 'version ' + (name === 'new' ? newName : name);
  return h('svg', {class: 'chart', viewBox: `0 0 ${kWidth} ${top + size * names.length + 24}`, role: 'img',
                   'aria-label': 'compatibility matrix'},
    names.map((name, i) => [
      h('text', {x: left + (i + 0.5) * size, y: top - 8, 'text-anchor': 'middle'}, title(name)),
      h('text', {x: left - 10, y: top + (i + 0.5) * size + 4, 'text-anchor': 'end'}, title(name))]),
    h('text', {x: left, y: top - 26}, 'documents stored by'),
    h('text', {x: 0, y: top + size * names.length + 18}, 'rows: queries mapped by'),
    cells.map((row, r) => row.map((value, c) => {
      const strength = Number.isFinite(value) ? shade(value) : 0;
      return [
        h('rect', {class: 'cell', x: left + c * size + 1, y: top + r * size + 1, width: size - 2, height: size - 2,
                   rx: 4, 'fill-opacity': strength.toFixed(2)}),
        h('text', {class: strength > 0.55 ? 'inverse' : 'ink', x: left + (c + 0.5) * size, y: top + (r + 0.5) * size + 4,
                   'text-anchor': 'middle'}, decimal(value, 3))];
    })));
}

// Parts of a whole in one bar: parts [{name, value}].
export function stack(parts) {
  const whole = parts.reduce((sum, part) => sum + part.value, 0) || 1;
  let at = 0;
  return h('svg', {class: 'chart', viewBox: `0 0 ${kWidth} 34`, role: 'img', 'aria-label': 'shares'},
    parts.map((part, i) => {
      const width = kWidth * part.value / whole;
      const from = at;
      at += width;
      return [
        h('rect', {class: `f${i % kSeries}`, x: from, y: 0, width: Math.max(width - 1, 0), height: 12, rx: 3},
          h('title', {}, `${part.name}: ${part.value}`)),
        width > 60 && h('text', {x: from + 2, y: 28}, part.name)];
    }));
}

// How far something is, 0..1.
export function progress(fraction) {
  const share = Math.max(0, Math.min(1, fraction || 0));
  return h('svg', {class: 'chart', viewBox: `0 0 ${kWidth} 12`, role: 'progressbar', 'aria-valuenow': Math.round(share * 100)},
    h('rect', {class: 'track', x: 0, y: 0, width: kWidth, height: 12, rx: 6}),
    h('rect', {class: 'bar', x: 0, y: 0, width: kWidth * share, height: 12, rx: 6}));
}

// Shares over margins, as a report's `hardness` has them: the share of negatives up to each margin.
export function histogram(margins, shares) {
  const left = 40, top = 8, height = 110, bottom = top + height;
  const width = (kWidth - left) / shares.length;
  const high = Math.max(...shares, 1e-9);
  return h('svg', {class: 'chart', viewBox: `0 0 ${kWidth} ${bottom + 22}`, role: 'img', 'aria-label': 'negative hardness'},
    shares.map((share, i) => [
      h('rect', {class: 'bar', x: left + i * width + 2, y: bottom - height * share / high, width: width - 4,
                 height: height * share / high, rx: 3},
        h('title', {}, `${words('share')} ${decimal(share, 3)}`)),
      h('text', {x: left + (i + 0.5) * width, y: bottom + 16, 'text-anchor': 'middle'},
        i < margins.length ? `≤ ${margins[i]}` : 'more')]));
}

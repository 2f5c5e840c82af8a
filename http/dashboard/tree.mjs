// Elements as plain objects, so that views and charts are functions from data to data which can be
// tested without a browser. `mount` makes the real thing. Text is only ever set as text: whatever
// a payload or a query holds, it cannot become markup.

const kSvg = 'http://www.w3.org/2000/svg';
const kSvgTags = new Set(['svg', 'g', 'path', 'line', 'rect', 'circle', 'polyline', 'text', 'title']);

// h('p', {class: 'soft', onclick: f}, 'text', child, [more], null): null and false are left out.
export function h(tag, attributes = {}, ...children) {
  const kept = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  return {tag, attributes, children: kept};
}

function build(node, insideSvg) {
  if (typeof node !== 'object') return document.createTextNode(String(node));
  // A title is an SVG tooltip inside of a chart, and nothing that a view uses outside.
  const isSvg = kSvgTags.has(node.tag) && (insideSvg || node.tag === 'svg');
  const element = isSvg ? document.createElementNS(kSvg, node.tag) : document.createElement(node.tag);
  for (const [name, value] of Object.entries(node.attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of node.children) element.append(build(child, isSvg));
  if (node.tag === 'select' && 'value' in node.attributes) element.value = node.attributes.value;
  return element;
}

// Replaces what is in `place` by these nodes.
export function mount(place, ...nodes) {
  place.replaceChildren(...nodes.flat(Infinity).filter(Boolean).map((node) => build(node, false)));
}

// The server's REST API. Pages live in dashboard/, so its root is one level up, also behind a proxy
// that serves it under a prefix. The key stays in this tab and is sent to this server only.

const kRoot = new URL('../', import.meta.url);
const kKeyName = 'almagest-api-key';

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function setKey(key) {
  if (key) sessionStorage.setItem(kKeyName, key);
  else sessionStorage.removeItem(kKeyName);
}

async function send(method, path, body) {
  const headers = {};
  const key = sessionStorage.getItem(kKeyName);
  if (key) headers['api-key'] = key;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const response = await fetch(new URL(path, kRoot), {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body)});
  if (response.ok) return response;
  const text = await response.text();
  let message = text || response.statusText;
  try {
    message = JSON.parse(text).status.error;
  } catch {
    // Not every answer is JSON (a proxy's own, for one); its text will do.
  }
  if (response.status === 401 || response.status === 403) message += ' (enter a key above)';
  throw new ApiError(response.status, message);
}

// The `result` of an answer. `path` without a slash in front: part('collections', name).
export async function call(method, path, body) {
  const answer = await (await send(method, path, body)).json();
  return 'result' in answer ? answer.result : answer;
}

// The same with the id by which feedback names this search (null where there is none).
export async function search(collection, body) {
  const response = await send('POST', part('collections', collection, 'points', 'query'), body);
  const queryId = response.headers.get('almagest-query-id');
  return {points: (await response.json()).result.points, queryId};
}

export function part(...names) {
  return names.map(encodeURIComponent).join('/');
}

export function versionsPath(collection, using, ...rest) {
  return `${part('collections', collection, 'versions', ...rest)}?using=${encodeURIComponent(using)}`;
}

// Server-sent events of a job, each as its object, until the job is over or `signal` aborts.
export async function follow(job, onEvent, signal) {
  const headers = {};
  const key = sessionStorage.getItem(kKeyName);
  if (key) headers['api-key'] = key;
  const response = await fetch(new URL(part('jobs', job, 'events'), kRoot), {headers, signal});
  if (!response.ok) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith('data: ')) onEvent(JSON.parse(line.slice(6)));
    }
  }
}

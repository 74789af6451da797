// Requests to the server that sent this page.

import { corrected, count, size } from './words.js';

const KEY = 'pixmill-key';
const MAX_WAIT = 30; // seconds; the user retries after a longer Retry-After

// A failed request; the message is shown to the user.
class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // 0 without a response
  }
}

// The key is stored for this tab only.
export const keep = (key) => sessionStorage.setItem(KEY, key);

// A shared link has the key after its #, which browsers send to no server. It leaves the address bar, whose content is
// copied and synchronised.
const given = new URLSearchParams(location.hash.slice(1)).get('key');
if (given) {
  keep(given);
  history.replaceState(null, '', location.pathname);
}

// Return the response. A busy server is asked once more after its Retry-After; `onWait` gets a sentence.
export async function ask(path, { onWait = () => {}, signal, ...request } = {}) {
  let response = await send(path, request, signal);
  if (response.status === 503 || response.status === 429) {
    const seconds = Number(response.headers.get('Retry-After'));
    if (seconds > 0 && seconds <= MAX_WAIT) {
      onWait(`The server is busy. Trying again in ${count(seconds, 'second')}.`);
      await response.body?.cancel();
      await pause(1000 * seconds, signal);
      response = await send(path, request, signal);
    }
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refusal(response.status, problem.detail || problem.title || `The server answered ${response.status}.`);
}

async function send(path, request, signal) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...request.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  try {
    return await fetch(path, { ...request, headers, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0, 'The server does not answer. Is it still running?');
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

export const model = async () => (await ask('v1/model')).json();

// The page of the model that works without this server.
export const file = async () => (await ask('model.html')).blob();

// Return a promise of a caution, once images can be predicted.
export const ready = async () => '';

// Return what becomes of images.
export function privacy({ feedback, limits }) {
  const limit = limits?.max_bytes ? `Up to ${size(limits.max_bytes)}. ` : '';
  return `${limit}Sent to this server only, and ${feedback ? 'saved only if you correct the prediction' : 'not saved'}.`;
}

export const examples = async () => (await (await ask('v1/examples')).json()).examples;

// URLs of examples are absolute paths on this server.
export const example = async (path, name) => new File([await (await ask(path.replace(/^\//, ''))).blob()], name, { type: 'image/jpeg' });

// The server fetches images from other hosts, which this page may not reach.
export async function fetched(url, options) {
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ url }) };
  const content = await (await ask('v1/fetch', { ...request, ...options })).blob();
  return new File([content], new URL(url).pathname.split('/').pop() || new URL(url).host);
}

export async function predict(file, options) {
  const body = await (await ask('v1/predict', { method: 'POST', body: form({ file }), ...options })).json();
  return { model: body.model, ...body.predictions[0] };
}

export const explain = async (file, label, options) => (await ask(`v1/explain?label=${encodeURIComponent(label)}`, { method: 'POST', body: form({ file }), ...options })).blob();

export const nearest = async (file, options) => (await (await ask('v1/nearest', { method: 'POST', body: form({ file }), ...options })).json()).nearest;

// Send the right class of an image, '' if it is none of them, or yes and no of several labels; return what to tell the user.
export async function correct({ file }, right, options) {
  const fields = typeof right === 'string' ? { label: right } : { labels: JSON.stringify(right) };
  await ask('v1/feedback', { method: 'POST', body: form({ file, ...fields }), ...options });
  return `Thank you. Saved for review as ${corrected(right)}.`;
}

function form(fields) {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.append(name, value);
  return made;
}

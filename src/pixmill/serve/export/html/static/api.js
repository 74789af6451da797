// In place of the requests to a server: the model in this file, which a worker runs.

import { download, keep } from './corrections.js';
import { part } from './elements.js';
import { corrected } from './words.js';

// The page says it until it works: browsers that are too old show nothing else.
const NEEDS = part('alert').textContent.trim();
const CHANGED = 'This browser changes the pixels that pages read, as a protection against tracking. Its answers are the model\u2019s for PNG images only: save others as PNG, or use another browser.';
const description = JSON.parse(embedded.text('description'));
const worker = embedded.worker();
const waiting = new Map();
let number = 0;

// What a reader of TIFF or HEIC needs to hear: the model reads them, browsers do not.
const UNSHOWN = {
  tiff: 'TIFF is not read here: save it as PNG',
  heic: 'HEIC is not read here: save it as JPEG',
  deep: 'A grey image of 16 bits, unlike the training images: save it with 8 bits',
  too_many_pixels: 'More than 50 million pixels: save a smaller copy',
};

function ask(task, given) {
  return new Promise((resolve, reject) => {
    number += 1;
    waiting.set(number, { resolve, reject });
    worker.postMessage({ id: number, task, given });
  });
}

function listen({ data: { id, found, error } }) {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error) reject(new Error(error));
  else resolve(found);
}

const opened = new Promise((resolve, reject) => {
  worker.addEventListener('message', resolve, { once: true });
  worker.addEventListener('error', reject, { once: true });
}).then(() => {
  worker.addEventListener('message', listen);
  const networks = [...document.querySelectorAll('script.network')].map(({ textContent }) => textContent);
  return ask('open', { description, runtime: embedded.text('runtime'), networks });
}).catch(({ message }) => { throw new Error(`The model cannot be opened: ${message}. ${NEEDS}`); });

export const ready = () => opened.then((found) => (found?.changed ? CHANGED : ''));

export const privacy = () => 'Images stay on this device: this file needs no network, and sends nothing.';

export const model = async () => ({ ...description, explains: false, feedback: true, urls: false, limits: { max_bytes: 1 << 30, max_files: 20_000 } });

export const examples = async () => [];

export const nearest = async () => [];

export async function correct(item, right) {
  item.kept = await keep(item, right || null);
  return item.kept ? `Thank you. Corrected to ${corrected(right)}.` : '';
}

part('download').addEventListener('click', () => download(description));

export async function predict(file, { signal, onWait = () => {} } = {}) {
  const timers = [[1000, 'Opening the model…'], [20_000, `Opening the model… ${NEEDS}`]].map(([after, text]) => setTimeout(onWait, after, text));
  await opened.finally(() => timers.forEach(clearTimeout));
  signal?.throwIfAborted();
  const found = await ask('predict', file);
  const { reason } = found;
  const message = reason && `${UNSHOWN[reason] ?? description.reasons[reason] ?? reason}.`;
  return { ...found, message: message && message[0].toUpperCase() + message.slice(1), model: description };
}

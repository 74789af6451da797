// Corrections stay in this tab until they are downloaded, as a zip that `pixmill review` reads.

import { part, save, set } from './elements.js';
import { crc32 } from './png.js';
import { visit } from './visit.js';
import { count } from './words.js';
import { zip } from './zip.js';

const MAX_NAME = 100; // characters of a file's name that are kept: its end
const MAX_BYTES = 20 << 20; // of an image; reviewers take in no larger one
const MAX_BYTES_IN_ALL = 900 << 20; // reviewers take in 1 GiB

const kept = new Map(); // checksum and size of an image to its correction
let before = 0; // corrections that were downloaded and are no longer here
let saved = true;

// Keep an image with its right class (null: none of the classes), or yes and no of several labels. A later correction of the same image replaces it, and
// the predicted class takes it back. Return whether there is one now.
export async function keep(item, right) {
  const { size } = item.file;
  if (size > MAX_BYTES) throw new Error('The image has more than 20 MB: correct a smaller copy.');
  const content = new Uint8Array(await item.file.arrayBuffer()); // now: later, the file may be gone
  const key = `${crc32(content)} ${size}`;
  if (saved) { // what was downloaded is kept until now, as that may have been cancelled
    before += kept.size;
    kept.clear();
  }
  const old = kept.get(key);
  const total = [...kept.values()].reduce((sum, one) => sum + one.content.length, size);
  if (!old && total > MAX_BYTES_IN_ALL) throw new Error('There is no room for more: download your corrections first.');
  if (old) Object.assign(old.item, { kept: false, message: '' });
  if (right === item.answer.label) kept.delete(key);
  else kept.set(key, { item, content, right });
  saved = kept.size === 0;
  tell();
  return kept.has(key);
}

function tell() {
  const earlier = before ? `; ${before} downloaded before` : '';
  set('kept-title', `${count(kept.size, 'correction')}${saved ? ', downloaded' : ', not downloaded yet'}${earlier}`);
  part('kept').hidden = !kept.size;
}

// Return a name that every system accepts.
const clean = (name) => [...name.replace(/[/\\:*?"<>|\p{C}]/gu, '_')].slice(-MAX_NAME).join('');

export function download({ name, version, digest }) {
  const corrections = [];
  const files = [];
  for (const { item, content, right } of kept.values()) {
    const file = `${String(corrections.length + 1).padStart(4, '0')}-${clean(item.name)}`;
    const { label, confidence, sure, unlike, labels } = item.answer;
    corrections.push({ file, ...(labels ? { label: null, labels: right } : { label: right }), prediction: { label, confidence, sure, unlike, labels } });
    files.push([file, content]);
    item.kept = false; // the zip is out of reach
  }
  const list = JSON.stringify({ format: 1, model: { name, version, digest }, corrections }, null, 1);
  save('corrections.zip', zip([...files, ['corrections.json', new TextEncoder().encode(list)]]));
  saved = true;
  tell();
  if (visit.chosen?.message) part('wrong').hidden = true;
}

addEventListener('beforeunload', (event) => saved || event.preventDefault());

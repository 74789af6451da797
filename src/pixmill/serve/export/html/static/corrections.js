// Corrections stay in this tab until they are downloaded, as a zip that `pixmill review` reads.

import { part, save, set } from './elements.js';
import { count } from './words.js';
import { zip } from './zip.js';

const MAX_NAME = 100; // characters of a file's name that are kept: its end

const kept = new Map(); // image to its correction
let saved = true;

// Keep an image with its right class; null: none of the classes.
export async function keep(item, label) {
  const content = new Uint8Array(await item.file.arrayBuffer()); // now: later, the file may be gone
  kept.set(item, { content, label });
  saved = false;
  tell();
}

function tell() {
  set('kept-title', `${count(kept.size, 'correction')}${saved ? ', downloaded' : ', not downloaded yet'}`);
  part('kept').hidden = false;
}

// Return a name that every system accepts.
const clean = (name) => [...name.replace(/[/\\:*?"<>|\p{C}]/gu, '_')].slice(-MAX_NAME).join('');

export function download({ name, version, digest }) {
  const corrections = [];
  const files = [];
  for (const [item, { content, label }] of kept) {
    const file = `${String(corrections.length + 1).padStart(4, '0')}-${clean(item.name)}`;
    const { label: predicted, confidence, sure, unlike } = item.answer;
    corrections.push({ file, label, prediction: { label: predicted, confidence, sure, unlike } });
    files.push([file, content]);
  }
  const list = JSON.stringify({ format: 1, model: { name, version, digest }, corrections }, null, 1);
  save('corrections.zip', zip([...files, ['corrections.json', new TextEncoder().encode(list)]]));
  saved = true;
  tell();
}

addEventListener('beforeunload', (event) => saved || event.preventDefault());

// The page of `pixmill serve`: accepts images, and shows the predictions.

import { about, version } from './about.js';
import { show, spell } from './answer.js';
import * as api from './api.js';
import { clear } from './bars.js';
import { leave, offer } from './camera.js';
import { card, label, shrink } from './cards.js';
import { fold } from './correct.js';
import { make, part, save, set } from './elements.js';
import { listen } from './intake.js';
import { explain } from './picture.js';
import { advance, expect, reset } from './progress.js';
import { fill, list, tally } from './rows.js';
import { download } from './table.js';
import { say, settle, visit, warn } from './visit.js';
import { size } from './words.js';

const MAX_REQUESTS = 3; // concurrent requests
const MAX_CARDS = 200; // the newest images; the table has all
const MAX_EXAMPLES = 10;

// ---- the model

async function begin() {
  try {
    visit.model = await api.model();
  } catch (error) {
    return showError(error);
  } finally {
    document.querySelector('main').setAttribute('aria-busy', 'false');
  }
  const { items, model } = visit;
  warn('');
  const keyed = !part('key-form').hidden;
  part('key-form').hidden = true;
  for (const id of ['stage', 'about', 'footer']) part(id).hidden = false;
  part('url-form').hidden = !model.urls;
  part('file').hidden = !model.file;
  set('model', [model.name, version(model)].filter(Boolean).join(', '));
  clear();
  about(model);
  show();
  api.ready().then((caution) => set('caution', caution), showError);
  if (keyed) settle();
  for (const item of items.filter((other) => other.error?.status === 401)) enqueue(item);
  return examples();
}

function showError(error) {
  if (error.status !== 401) return warn(error.message);
  const tried = part('key').value;
  warn(tried ? 'The server does not know this key.' : '');
  part('key').value = '';
  part('key-form').hidden = false;
  return part('key').focus();
}

part('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  api.keep(part('key').value.trim());
  begin();
});

async function examples() {
  const all = await api.examples().catch(() => []);
  const rank = (one) => all.filter((other) => other.label === one.label).indexOf(one);
  const thumbs = [];
  for (const one of [...all].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_EXAMPLES)) { // one of each class first
    const file = await api.example(one.url, `${one.label}.jpg`).catch(() => null);
    if (!file) continue;
    const name = `Test image of ${one.label}${rank(one) ? `, number ${rank(one) + 1}` : ''}`;
    const button = make('button', { type: 'button', aria: { label: name } }, make('img', { src: URL.createObjectURL(file), alt: '' }));
    button.addEventListener('click', () => {
      warn('');
      take([{ file, note: `test image of ‘${one.label}’` }]);
    });
    thumbs.push(make('li', {}, button));
  }
  part('thumbs').replaceChildren(...thumbs);
  part('examples').hidden = !thumbs.length;
}

// ---- images

let batch = []; // the images added last, until one of them is chosen

// Add images, as {file} or {url}, and show the first one.
function take(given) {
  const fresh = given.map((one) => ({ name: one.file?.name ?? one.url, heats: new Map(), state: 'waiting', ...one }));
  const all = [...fresh, ...visit.items];
  visit.items = all.slice(0, MAX_CARDS);
  for (const item of visit.items) item.card ??= card(item, pick);
  for (const item of all.slice(MAX_CARDS)) item.card = null;
  for (const item of fresh) {
    visit.rows.push(item);
    list(item, pick);
  }
  part('cards').replaceChildren(...visit.items.map((item) => item.card));
  tally();
  pick(fresh[0]);
  batch = fresh;
  part('cards').scrollLeft = 0;
  fresh.forEach(enqueue);
}

function mark(item, isChosen) {
  for (const place of [item?.card, item?.row]) place?.querySelector('button').setAttribute('aria-current', String(isChosen));
}

function pick(item) {
  leave(item);
  batch = [];
  const before = visit.chosen;
  mark(before, false);
  if (before?.preview && before !== item) {
    URL.revokeObjectURL(before.preview); // only the chosen image has one
    before.preview = null;
  }
  Object.assign(visit, { chosen: item, unfolded: false });
  mark(item, true);
  fold(false);
  part('heat').removeAttribute('src'); // the heatmap of another image must not fade over this one
  show();
  if (!item) return;
  const { top, bottom } = part('title').getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) part('stage').scrollIntoView();
}

// Instead of an image without an answer, show the first one of its batch that has one.
function prefer() {
  const better = batch.find(({ answer }) => answer && !answer.reason);
  if (!better || better === batch[0] || batch[0].state === 'waiting') return;
  pick(better);
  say(spell(better));
}

// ---- requests

const queue = []; // images that wait for a request
let running = 0;

async function enqueue(item) {
  Object.assign(item, { state: 'waiting', error: null });
  if (item === visit.chosen) show();
  queue.push(item);
  expect();
  if (running >= MAX_REQUESTS) return;
  running += 1;
  while (queue.length) await answer(queue.shift());
  running -= 1;
}

async function answer(item) {
  const { signal } = visit.stop;
  const onWait = (text) => {
    item.wait = text;
    if (item === visit.chosen) show();
  };
  try {
    item.file ??= await api.fetched(item.url, { signal, onWait });
    if (item === visit.chosen) show();
    await check(item);
    Object.assign(item, { answer: await api.predict(item.file, { signal, onWait }), state: 'done' });
  } catch (error) {
    if (signal.aborted) return;
    Object.assign(item, { error, state: 'failed' });
    if (error.status === 401) showError(error);
  } finally {
    item.wait = null;
  }
  if (signal.aborted) return;
  advance();
  fill(item);
  tally();
  if (item.card) label(item);
  if (item.card && item.file) shrink(item);
  prefer();
  if (item === visit.chosen) {
    show();
    say(spell(item));
  }
  if (item.answer && item.answer.model.digest !== visit.model.digest) begin(); // the server has another model now
}

async function check({ file }) {
  const most = visit.model.limits?.max_bytes;
  if (most && file.size > most) throw new Error(`The file has ${size(file.size)}; at most ${size(most)} are accepted.`);
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new Error('The file cannot be read. If it is a folder, choose the images in it.');
  });
}

part('again').addEventListener('click', () => {
  enqueue(visit.chosen);
  settle();
});

part('table').addEventListener('click', () => download(visit.rows, visit.model));

part('file').firstChild.addEventListener('click', async ({ target }) => {
  const { textContent } = target;
  Object.assign(target, { disabled: true, textContent: 'Preparing the file…' });
  say(target.textContent);
  const content = await api.file().catch((error) => warn(error.message));
  Object.assign(target, { disabled: false, textContent });
  if (content) save(`${visit.model.name}.html`, content);
});

part('restart').addEventListener('click', () => {
  visit.stop.abort();
  visit.stop = new AbortController();
  queue.length = 0;
  for (const { heats } of visit.rows) for (const url of heats.values()) URL.revokeObjectURL(url);
  reset();
  visit.items = [];
  visit.rows = [];
  for (const id of ['cards', 'rows']) part(id).replaceChildren();
  part('listing').open = false;
  tally();
  pick(null);
  say('Started over.');
  settle();
});

addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !visit.chosen) return;
  if (!part('correct').hidden) {
    fold(false);
    part('wrong').focus();
  } else if (visit.chosen.heat) explain(null);
});

listen(take);
offer(take, pick);
await begin();

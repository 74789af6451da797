// The page of `pixmill serve`: takes images, shows what the model answers.

import { about } from './about.js';
import { show, spell } from './answer.js';
import * as api from './api.js';
import { clear } from './bars.js';
import { card, label, shrink } from './cards.js';
import { fold } from './correct.js';
import { make, part, set } from './elements.js';
import { listen } from './intake.js';
import { explain } from './picture.js';
import { say, visit, warn } from './visit.js';
import { size } from './words.js';

const AT_ONCE = 3; // requests under way
const KEPT = 200; // images of a visit
const EXAMPLES = 10;

// ---- the model

async function begin() {
  try {
    visit.model = await api.model();
  } catch (error) {
    return stumble(error);
  } finally {
    document.querySelector('main').setAttribute('aria-busy', 'false');
  }
  const { items, model } = visit;
  warn('');
  const keyed = !part('key-form').hidden;
  part('key-form').hidden = true;
  for (const id of ['stage', 'about', 'footer']) part(id).hidden = false;
  part('url-form').hidden = !model.urls;
  set('model', model.name + (model.version ? ` · version ${model.version}` : ''));
  clear();
  about(model);
  show();
  if (keyed) part('choose').focus();
  for (const item of items.filter((other) => other.error?.status === 401)) look(item);
  return examples();
}

function stumble(error) {
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
  for (const one of [...all].sort((a, b) => rank(a) - rank(b)).slice(0, EXAMPLES)) { // of each class one, then of each a second
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

// ---- the images of this visit

// Take images, as {file} or {url}, and show the first of them.
function take(given) {
  const fresh = given.map((one) => ({ name: one.file?.name ?? one.url, heats: new Map(), state: 'waiting', ...one }));
  for (const item of fresh) {
    item.card = card(item, pick);
    if (item.file) own(item, item.file);
  }
  visit.items.unshift(...fresh);
  visit.items.splice(KEPT).forEach(forget);
  part('cards').replaceChildren(...visit.items.map((item) => item.card));
  pick(fresh[0]);
  part('cards').scrollLeft = 0;
  fresh.forEach(look);
}

// Let an item have its file.
function own(item, file) {
  Object.assign(item, { file, preview: URL.createObjectURL(file) });
  shrink(item);
  if (item === visit.chosen) show();
}

function forget(item) {
  for (const url of [item.preview, ...item.heats.values()]) if (url) URL.revokeObjectURL(url);
}

function pick(item) {
  Object.assign(visit, { chosen: item, unfolded: false });
  fold(false);
  part('heat').removeAttribute('src'); // another image's does not fade over this one
  for (const other of visit.items) other.card.firstChild.setAttribute('aria-current', String(other === item));
  show();
  if (!item) return;
  const { top, bottom } = part('title').getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) part('stage').scrollIntoView();
}

// ---- asking the server

const line = []; // images that wait for their turn
let running = 0;

async function look(item) {
  Object.assign(item, { state: 'waiting', error: null });
  if (item === visit.chosen) show();
  line.push(item);
  if (running >= AT_ONCE) return;
  running += 1;
  while (line.length) await answer(line.shift());
  running -= 1;
}

async function answer(item) {
  const { signal } = visit.stop;
  const onWait = (seconds) => {
    item.wait = seconds;
    if (item === visit.chosen) show();
  };
  try {
    if (!item.file) own(item, await api.fetched(item.url, { signal, onWait }));
    await check(item);
    Object.assign(item, { answer: await api.predict(item.file, { signal, onWait }), state: 'done' });
  } catch (error) {
    if (signal.aborted) return;
    Object.assign(item, { error, state: 'failed' });
    if (error.status === 401) stumble(error);
  } finally {
    item.wait = null;
  }
  if (signal.aborted) return;
  label(item);
  if (item === visit.chosen) {
    show();
    say(spell(item));
  }
  if (item.answer && item.answer.model.digest !== visit.model.digest) begin(); // the server has changed its model
}

async function check({ file }) {
  const most = visit.model.limits?.max_bytes;
  if (most && file.size > most) throw new api.Refusal(413, `The file has ${size(file.size)}; this server takes at most ${size(most)}.`);
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new api.Refusal(0, 'The file cannot be read. If it is a folder, run: pixmill predict FOLDER');
  });
}

part('again').addEventListener('click', () => {
  look(visit.chosen);
  part('choose').focus();
});

part('restart').addEventListener('click', () => {
  visit.stop.abort();
  visit.stop = new AbortController();
  line.length = 0;
  visit.items.forEach(forget);
  visit.items = [];
  part('cards').replaceChildren();
  pick(null);
  say('Started over.');
  part('choose').focus();
});

addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !visit.chosen) return;
  if (!part('correct').hidden) {
    fold(false);
    part('wrong').focus();
  } else if (visit.chosen.heat) explain(null);
});

listen(take);
await begin();

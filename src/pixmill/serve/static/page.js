// The page of `pixmill serve`: takes images, shows what the model answers.
// All content is untrusted: it is set as text, never as markup.

import * as api from './api.js';

const FEW = 8; // bars shown at first
const AT_ONCE = 3; // requests under way
const MOST = 100; // images taken in one go

const part = (id) => document.getElementById(id);
const calm = matchMedia('(prefers-reduced-motion: reduce)');

let model = null; // what /v1/model tells
let items = []; // the images of this visit, newest first
let chosen = null; // the one on the page
let unfolded = false; // all bars are shown
let stop = new AbortController(); // ends what is under way, on starting over

function make(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function set(id, text) {
  part(id).textContent = text ?? '';
  part(id).hidden = !text;
}

const say = (text) => { part('live').textContent = text; };
const warn = (text) => set('alert', text);
const percent = (p) => (p >= 0.995 ? '>99%' : p < 0.005 ? '<1%' : `${Math.round(100 * p)}%`);
const spoken = (p) => percent(p).replace('>', 'over ').replace('<', 'under ');
const tenth = (p) => `${(100 * p).toFixed(1)}%`;
const count = (n, noun) => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;
const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1).replace('.0', '')} MB`);
const cut = (text, most = 48) => (text.length <= most ? text : `${text.slice(0, most - 13)}…${text.slice(-12)}`);
const extension = (name) => name.match(/\.(\w{2,5})$/)?.[1].toUpperCase();
const either = (names) => (names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`);

// ---- the model

async function begin() {
  try {
    model = await (await api.ask('v1/model')).json();
  } catch (error) {
    return stumble(error);
  } finally {
    document.querySelector('main').setAttribute('aria-busy', 'false');
  }
  warn('');
  const keyed = !part('key-form').hidden;
  part('key-form').hidden = true;
  for (const id of ['stage', 'about', 'footer']) part(id).hidden = false;
  part('url-form').hidden = !model.urls;
  set('model', model.name + (model.version ? ` · version ${model.version}` : ''));
  rows.clear();
  about();
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
  part('thumbs').replaceChildren();
  for (const one of [...all].sort((a, b) => rank(a) - rank(b)).slice(0, 10)) { // of each class one, then of each a second
    const file = await api.example(one.url, `${one.label}.jpg`).catch(() => null);
    if (!file) continue;
    const button = make('button', { type: 'button', aria: { label: `Test image of class ${one.label}` } }, make('img', { src: URL.createObjectURL(file), alt: '' }));
    button.addEventListener('click', () => take([{ file, note: `test image of ‘${one.label}’` }]));
    part('thumbs').append(make('li', {}, button));
    part('examples').hidden = false;
  }
}

function about() {
  const { metrics = {}, classes, threshold } = model;
  const { accuracy, accuracy_low: low, accuracy_high: high, n } = metrics;
  part('accuracy').replaceChildren();
  if (accuracy !== undefined) {
    const tested = n === undefined ? 'of its test images' : `of ${count(n, 'test image')}`;
    part('accuracy').append(
      make('p', { className: 'big' }, n === undefined ? `Right on ${tenth(accuracy)} ${tested}.` : `Right on ${Math.round(accuracy * n).toLocaleString('en')} ${tested}.`),
      ...(low === undefined ? [] : [span(accuracy, low, high)]),
      make('p', { className: 'faint' }, `Accuracy ${tenth(accuracy)}${low === undefined ? '' : `; 95% confidence interval ${tenth(low)} to ${tenth(high)}`}. The model had not seen these images.`),
    );
  }
  const facts = [
    ['Name', model.name],
    ['Version', model.version],
    ['Classes', classes.length <= 12 ? classes.join(', ') : make('details', {}, make('summary', {}, classes.length.toLocaleString('en')), classes.join(', '))],
    ['Sure from', threshold === null ? null : `${tenth(threshold)} confidence`],
    ['Image side', `${model.image_size} pixels`],
    ['Digest', model.digest && make('code', { title: model.digest }, model.digest.slice(0, 12))],
    ['Commit', model.commit && make('code', { title: model.commit }, model.commit.slice(0, 8))],
  ];
  part('facts').replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
}

// The accuracy on a line from 0 to 100%, with its confidence interval.
function span(at, low, high) {
  const draw = (tag, properties) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
    return made;
  };
  const svg = draw('svg', { class: 'span', viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  svg.append(draw('rect', { class: 'whole', width: 100, height: 4 }), draw('rect', { class: 'interval', x: 100 * low, width: 100 * (high - low), height: 4 }), draw('rect', { class: 'point', x: 100 * at - 0.25, width: 0.5, height: 4 }));
  return svg;
}

// ---- what comes in

// Take images, as {file} or {url}, and show the first of them.
function take(given) {
  if (!model || !given.length) return;
  warn(given.length > MOST ? `Only the first ${MOST} of ${given.length.toLocaleString('en')} images are taken. For a folder there is: pixmill predict FOLDER` : '');
  const fresh = given.slice(0, MOST).map((one) => ({ name: one.file?.name ?? one.url, heats: new Map(), state: 'waiting', ...one }));
  for (const item of fresh) {
    item.card = card(item);
    if (item.file) own(item, item.file);
  }
  items.unshift(...fresh);
  for (const old of items.splice(2 * MOST)) forget(old);
  part('cards').replaceChildren(...items.map((item) => item.card));
  pick(fresh[0]);
  fresh.forEach(look);
}

function forget(item) {
  for (const address of [item.preview, ...item.heats.values()]) if (address) URL.revokeObjectURL(address);
}

const line = []; // images that wait for their turn
let running = 0;

async function look(item) {
  item.state = 'waiting';
  item.error = null;
  if (item === chosen) show();
  line.push(item);
  if (running >= AT_ONCE) return;
  running += 1;
  while (line.length) await answer(line.shift());
  running -= 1;
}

async function answer(item) {
  const { signal } = stop;
  try {
    const onWait = (seconds) => { item.wait = seconds; if (item === chosen) show(); };
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
  if (item === chosen) {
    show();
    say(spell(item));
  }
  if (item.answer && item.answer.model.digest !== model.digest) begin(); // the server has changed its model
}

// Let an item have its file; a small copy goes on its card, as a hundred photographs at full size would fill the memory.
function own(item, file) {
  Object.assign(item, { file, preview: URL.createObjectURL(file) });
  const thumb = item.card.querySelector('.thumb');
  shrink(file, thumb).catch(() => { thumb.textContent = extension(file.name) || '?'; });
  if (item === chosen) show();
}

async function check({ file }) {
  const most = model.limits?.max_bytes;
  if (most && file.size > most) throw new api.Refusal(413, `The file has ${size(file.size)}; this server takes at most ${size(most)}.`);
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new api.Refusal(0, 'The file cannot be read. If it is a folder, there is: pixmill predict FOLDER');
  });
}

function spell({ error, answer: told, name }) {
  if (error) return `No answer for ${name}. ${error.message}`;
  if (told.reason) return `${name} cannot be read. ${told.message ?? told.reason}`;
  return `${told.label}, ${spoken(told.confidence)} confidence${told.sure === false ? ', not sure' : ''}.`;
}

// Read an address that a person typed or pasted; null where it is none.
function address(text) {
  const trimmed = text.trim();
  if (!trimmed || /\s/.test(trimmed)) return null;
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:/i.test(trimmed) ? trimmed : `https://${trimmed}`);
    return /^https?:$/.test(url.protocol) && /[.:]/.test(url.host) ? url.href : null;
  } catch {
    return null;
  }
}

const images = (transfer) => [...transfer.files].map((file) => ({ file }));

for (const [button, input] of [['choose', 'files'], ['photograph', 'camera']]) {
  part(button).addEventListener('click', () => part(input).click());
  part(input).addEventListener('change', (event) => {
    take(images(event.target));
    event.target.value = ''; // so that the same file can be chosen again
  });
}

part('frame').addEventListener('click', () => chosen || part('files').click());

part('url-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const url = address(part('url').value);
  if (!url) return warn('This is not the address of an image: it begins with https:// or http://.');
  part('url').value = '';
  return take([{ url }]);
});

addEventListener('paste', (event) => {
  if (!model) return;
  const given = images(event.clipboardData);
  if (!given.length && event.target instanceof HTMLInputElement) return;
  event.preventDefault();
  const url = model.urls && address(event.clipboardData.getData('text'));
  if (given.length || url) take(given.length ? given : [{ url }]);
  else warn(`What you pasted is no image${model.urls ? ', nor the address of one' : ''}.`);
});

const holds = ({ dataTransfer: { types } }) => types.includes('Files') || types.includes('text/uri-list');
const over = (now) => document.body.classList.toggle('dragging', now);
addEventListener('dragstart', (event) => event.target instanceof HTMLImageElement && event.preventDefault());
addEventListener('dragleave', (event) => event.relatedTarget || over(false)); // otherwise it goes on to another element
addEventListener('dragover', (event) => {
  if (!holds(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = 'copy';
  over(true);
});
addEventListener('drop', (event) => {
  if (!holds(event)) return;
  event.preventDefault();
  over(false);
  const given = images(event.dataTransfer);
  const url = model?.urls && address(event.dataTransfer.getData('text/uri-list').split('\n')[0]);
  if (given.length || url) take(given.length ? given : [{ url }]);
  else warn('What you dropped is no image.');
});

// ---- what is shown

function pick(item) {
  chosen = item;
  unfolded = false;
  fold(false);
  part('heat').removeAttribute('src'); // another image's does not fade over this one
  for (const other of items) other.card.firstChild.setAttribute('aria-current', String(other === item));
  show();
  const { top, bottom } = part('title').getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) part('stage').scrollIntoView();
}

function show() {
  const state = !chosen ? 'empty' : chosen.state === 'failed' ? 'failed' : chosen.state === 'waiting' ? 'waiting' : chosen.answer.reason ? 'broken' : 'answered';
  const unsure = state === 'answered' && chosen.answer.sure === false;
  part('stage').className = `stage ${state}${unsure ? ' unsure' : ''}`;
  picture();
  headline(state, unsure);
  bars(state === 'answered' ? chosen.answer.probabilities : null);
  part('again').hidden = state !== 'failed';
  part('wrong').hidden = !(state === 'answered' && model.feedback && chosen.file && !chosen.told);
  part('told').textContent = chosen?.told ?? '';
  part('look').hidden = !(state === 'answered' && model.explains && chosen.file);
  set('session-title', items.length > 1 ? count(items.length, 'image') : '');
  part('session').hidden = items.length < 2;
}

function picture() {
  const image = part('image');
  part('invite').hidden = chosen !== null;
  if (!chosen?.preview || chosen.invisible) {
    image.hidden = true;
    image.removeAttribute('src');
    const broken = chosen?.error || chosen?.answer?.reason;
    set('unseen', chosen && (!chosen.file ? (chosen.error ? '' : `Fetching it from ${new URL(chosen.url).host}…`) : broken ? 'No image to show.' : `Your browser cannot show ${extension(chosen.name) || 'these'} images. The model can read more formats.`));
  } else if (image.src !== chosen.preview) {
    set('unseen', '');
    image.hidden = false;
    image.src = chosen.preview;
    image.alt = `Your image, ${chosen.name}`;
  }
  heat();
}

part('image').addEventListener('error', ({ target }) => {
  if (chosen?.preview !== target.src) return;
  chosen.invisible = true;
  picture();
});
part('image').addEventListener('load', caption);

function caption() {
  const { complete, naturalWidth: width, naturalHeight: height } = part('image');
  const limit = model.limits?.max_bytes ? `Up to ${size(model.limits.max_bytes)}. ` : '';
  const kept = `Sent to this server only, and ${model.feedback ? 'kept only if you correct its answer' : 'not kept'}.`;
  const facts = chosen && [chosen.note ?? cut(chosen.url?.replace(/^https?:\/\//, '') ?? chosen.name, 40), chosen.preview && !chosen.invisible && complete && width ? `${width} × ${height}` : '', chosen.file ? size(chosen.file.size) : ''];
  part('caption').textContent = chosen ? facts.filter(Boolean).join(' · ') : limit + kept;
}

function headline(state, unsure) {
  const told = chosen?.answer;
  const from = model.threshold === null || model.threshold === undefined ? '' : percent(model.threshold);
  const names = either(model.classes);
  const [title, note] = {
    empty: [names.length <= 64 ? `${names}?` : 'What is in your image?', `The model answers with one of ${model.classes.length} classes and its confidence${model.explains ? ', and shows where it looked' : ''}.`],
    waiting: ['Looking…', chosen?.wait ? `The server is busy. Trying again in ${count(chosen.wait, 'second')}.` : ''],
    failed: [chosen?.file ? 'No answer' : 'No image', chosen?.error?.message],
    broken: ['Not readable', told?.message ?? `The file is not an intact image (${told?.reason}).`],
    answered: [unsure ? `${told.label}?` : told?.label, unsure ? `Below ${from} this model is wrong too often to be relied on: look for yourself.` : from && `From ${from} on, this model counts its answer as sure.`],
  }[state];
  const heading = part('title');
  if (heading.textContent !== title || state === 'answered') heading.replaceChildren(make('span', {}, title)); // a new element rises anew
  heading.classList.toggle('long', title.length > 16);
  part('note').textContent = note;
  part('figure').hidden = state !== 'answered';
  document.title = state === 'answered' ? `${told.label} ${percent(told.confidence)} · Pixmill` : 'Pixmill';
  if (state !== 'answered') return;
  part('confidence').textContent = `${percent(told.confidence)} confidence`;
  part('verdict').hidden = told.sure === null;
  part('verdict').textContent = unsure ? 'Not sure' : 'Sure';
}

const rows = new Map(); // a class to its bar

// Show the probabilities, the highest first; without them the bars are empty, in the order of the classes.
function bars(probabilities) {
  const order = probabilities ? [...model.classes].sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0)) : model.classes;
  const shown = unfolded ? order : order.slice(0, FEW);
  const list = part('bars');
  const before = new Map([...list.children].map((row) => [row, row.offsetTop]));
  const fresh = shown.map((name) => row(name));
  if (fresh.some((one, at) => list.children[at] !== one) || list.children.length !== fresh.length) {
    const focused = list.contains(document.activeElement) && document.activeElement;
    list.replaceChildren(...fresh);
    if (focused) focused.focus();
  }
  shown.forEach((name, at) => {
    const p = probabilities?.[name] ?? 0;
    const main = fresh[at].firstChild;
    fresh[at].classList.toggle('first', probabilities !== null && at === 0);
    fresh[at].style.setProperty('--p', p);
    main.querySelector('.value').textContent = probabilities ? percent(p) : '';
    if (main instanceof HTMLButtonElement) main.disabled = !probabilities || !chosen.file;
    const moved = (before.get(fresh[at]) ?? fresh[at].offsetTop) - fresh[at].offsetTop;
    if (moved && !calm.matches) fresh[at].animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], { duration: 450, easing: 'cubic-bezier(.2,.8,.2,1)' });
  });
  const threshold = model.threshold ?? null;
  list.classList.toggle('marked', probabilities !== null && threshold !== null);
  if (threshold !== null) list.style.setProperty('--threshold', threshold);
  part('all').hidden = model.classes.length <= FEW || !probabilities;
  part('all').textContent = unfolded ? 'Show fewer' : `Show all ${model.classes.length}`;
  part('all').setAttribute('aria-expanded', String(unfolded));
}

function row(name) {
  if (rows.has(name)) return rows.get(name);
  const inside = [make('span', { className: 'name' }, name), make('span', { className: 'track' }, make('span', { className: 'bar' })), make('span', { className: 'value' })];
  const main = model.explains
    ? make('button', { type: 'button', title: `Where does it look like ‘${name}’?`, aria: { pressed: 'false' } }, ...inside)
    : make('div', {}, ...inside);
  main.addEventListener('click', () => model.explains && explain(chosen.heat === name ? null : name));
  const made = make('li', {}, main);
  rows.set(name, made);
  return made;
}

part('all').addEventListener('click', () => { unfolded = !unfolded; show(); });
part('again').addEventListener('click', () => { look(chosen); part('choose').focus(); });

// ---- where the model looked

async function explain(name) {
  const item = chosen;
  item.heat = name;
  item.trouble = null;
  heat();
  if (name === null || item.heats.has(name)) return;
  try {
    const { signal } = stop;
    item.heats.set(name, URL.createObjectURL(await api.explain(item.file, name, { signal })));
    if (item.heat === name) say(`The image now shows where the model looked for ${name}.`);
  } catch (error) {
    if (item.heat === name) Object.assign(item, { heat: null, trouble: error.message });
  }
  if (item === chosen) heat();
}

function heat() {
  const name = chosen?.heat ?? null;
  const address = chosen?.heats.get(name);
  const image = part('heat');
  part('frame').classList.toggle('searching', name !== null && !address);
  part('frame').classList.toggle('heated', Boolean(address));
  if (address && image.src !== address) image.src = address;
  image.hidden = !image.getAttribute('src');
  image.alt = address ? `Where the model looked for ${name}` : '';
  part('look').setAttribute('aria-pressed', String(name !== null));
  for (const [label, made] of rows) if (model.explains) made.firstChild.setAttribute('aria-pressed', String(label === name));
  part('caption').classList.toggle('legend', Boolean(address));
  if (address) part('caption').textContent = `What speaks for ‘${name}’, most in red. Press a bar for another class.`;
  else if (name !== null) part('caption').textContent = 'Looking where it looked…';
  else if (chosen?.trouble) part('caption').textContent = chosen.trouble;
  else caption();
}

part('look').addEventListener('click', () => explain(chosen.heat ? null : chosen.answer.label));

// ---- what people say

function fold(open) {
  part('correct').hidden = !open;
  part('wrong').setAttribute('aria-expanded', String(open));
  if (!open) return;
  part('find').value = '';
  part('find-line').hidden = model.classes.length <= 13;
  choices();
  (part('find-line').hidden ? part('choices').firstChild : part('find')).focus();
}

function choices() {
  const wanted = part('find').value.trim().toLowerCase();
  const { label: said, probabilities } = chosen.answer;
  const likely = model.classes.filter((name) => name !== said).sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0));
  const found = likely.filter((name) => name.toLowerCase().includes(wanted)).slice(0, 12);
  const chip = (text, label) => {
    const made = make('button', { type: 'button' }, text);
    made.addEventListener('click', () => correct(label));
    return made;
  };
  part('choices').replaceChildren(...found.map((name) => chip(name, name)), chip('none of these', ''));
}

async function correct(label) {
  const item = chosen;
  part('told').textContent = 'Sending…';
  for (const button of part('choices').children) button.disabled = true;
  try {
    await api.correct(item.file, label, { signal: stop.signal });
    item.told = label ? `Thank you. Kept for review as ‘${label}’.` : 'Thank you. Kept for review as none of the classes.';
    if (item !== chosen) return;
    fold(false);
    show();
    part('choose').focus();
  } catch (error) {
    if (item !== chosen) return;
    part('told').textContent = `Not kept. ${error.message}`;
    for (const button of part('choices').children) button.disabled = false;
  }
}

part('wrong').addEventListener('click', () => fold(part('correct').hidden));
part('find').addEventListener('input', choices);

// ---- the images of this visit

function card(item) {
  const button = make('button', { type: 'button', title: item.name }, make('span', { className: 'thumb' }), make('span', { className: 'name' }, '…'));
  button.addEventListener('click', () => pick(item));
  return make('li', {}, button);
}

async function shrink(file, place) {
  const whole = await createImageBitmap(file, { resizeWidth: 160, resizeQuality: 'medium' });
  const canvas = make('canvas', { width: whole.width, height: whole.height });
  canvas.getContext('2d').drawImage(whole, 0, 0);
  whole.close();
  place.append(canvas);
}

function label(item) {
  const button = item.card.firstChild;
  const told = item.answer;
  const [text, kind] = item.error ? ['no answer', 'bad'] : told.reason ? ['not readable', 'bad'] : [`${told.label} ${percent(told.confidence)}`, told.sure === false ? 'warn' : ''];
  button.className = kind;
  button.lastChild.textContent = kind === 'warn' ? `${text}, not sure` : text;
}

part('restart').addEventListener('click', () => {
  stop.abort();
  stop = new AbortController();
  line.length = 0;
  items.forEach(forget);
  items = [];
  chosen = null;
  unfolded = false;
  fold(false);
  part('heat').removeAttribute('src');
  show();
  say('Started over.');
  part('choose').focus();
});

addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !chosen) return;
  if (!part('correct').hidden) {
    fold(false);
    part('wrong').focus();
  } else if (chosen.heat) explain(null);
});

await begin();

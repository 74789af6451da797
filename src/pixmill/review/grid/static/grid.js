// The grid of `pixmill review`: shows images in sections, and labels those that are selected.
// All content is untrusted: it is set as text, never as markup.

import { Scroller } from './scroller.js';
import { Selection } from './selection.js';

const POLL = 2000; // milliseconds between questions for the state
const SIDES = [80, 100, 120, 160, 220];
const SORTS = { next: 'what to label next', belief: 'probability of a class', sure: 'least sure first', unlike: 'most unlike first', files: 'as they are' };
const STAGES = [
  'The features of the images are being computed. The random sample can be labelled meanwhile.',
  'Label the random sample: look at each image, select those of a class, and press its key. It has no suggestions and becomes validation and test, so that the accuracy is honest.',
  'Name the clusters: select what is alike, and press the key of its class.',
  'Confirm the suggestions: select all above the line, click the wrong ones away, and press the key. Look at each of the unsure ones.',
];

const part = (id) => document.getElementById(id);
const window_ = (sessionStorage.window ??= Math.random().toString(36).slice(2)); // identifies this tab on the server
const view = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const busy = () => sending > 0 || selection.rows.size > 0;

let state = null; // the last answer with images
let facts = null; // the last answer
let sending = 0; // actions that wait for their answer
let queue = Promise.resolve();
let timer = 0;

const scroller = new Scroller(part('scroller'), part('canvas'), fill);
const selection = new Selection(scroller, { rowAt: (index) => state.rows[index], count: () => state?.rows.length ?? 0, changed });

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function ask(path, body) {
  const request = body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Error('The server has stopped. Start it again with: pixmill review');
  }
  const text = await answer.text();
  if (!answer.ok && answer.status !== 409) throw new Error(text);
  const content = text.startsWith('{') ? JSON.parse(text) : { error: text };
  if (content.error) throw new Error(content.next ? `${content.error}\nNext: ${content.next}` : content.error);
  return content;
}

function warn(text) {
  part('alert').textContent = text;
  part('alert').hidden = !text;
}

const say = (text) => { part('status').textContent = text; };
const some = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
const percent = (share) => `${Math.round(100 * share)} %`;

// ---- state

async function load() {
  clearTimeout(timer);
  try {
    if (!document.hidden || !state) {
      const known = state && busy() ? facts.order : state?.order ?? '';
      take(await ask(`state?${new URLSearchParams({ scope: 'unlabelled', sort: 'next', ...view, window: window_, known })}`));
      if (part('alert').dataset.kind === 'load') warn('');
    }
  } catch (error) {
    warn(error.message);
    part('alert').dataset.kind = 'load';
  }
  clearTimeout(timer);
  timer = setTimeout(load, POLL);
}

function take(answer) {
  facts = answer;
  if (!view.scope && !answer.left && answer.labelled) {
    Object.assign(view, { scope: 'all', sort: 'sure' });
    state = null;
    load();
    return;
  }
  // Images do not move while some are selected.
  if (answer.rows && !(state && busy() && state.number === answer.number)) {
    if (state?.number !== answer.number) selection.forget();
    show(answer);
  }
  around();
}

// Show images; the place in the section at the top of the view stays.
function show(answer) {
  const { scrollTop } = part('scroller');
  const top = state?.sections.findLast((section) => section.top <= scrollTop);
  const offset = top ? scrollTop - top.top : 0;
  state = answer;
  let clusters = 0;
  for (const section of state.sections) section.title = title(section, section.kind === 'cluster' ? (clusters += 1) : '');
  const same = top && state.sections.find(({ kind, label }) => kind === top.kind && label === top.label);
  scroller.show(state.sections);
  if (same && top.kind !== 'cluster') part('scroller').scrollTop = same.top + Math.min(offset, Math.max(0, Math.ceil(same.count / scroller.columns - 1) * scroller.height));
  selection.focus = Math.max(0, Math.min(selection.focus, state.rows.length - 1));
  part('empty').hidden = state.rows.length > 0;
  part('empty').textContent = view.scope && view.scope !== 'unlabelled' ? 'No image is here.' : 'No image waits for a label. Put images into data/unlabelled, and set evaluate.unlabelled: data/unlabelled in params.yaml.';
  if (part('status').textContent.endsWith('…')) changed();
  else draw();
}

function title({ kind, label, count }, number) {
  const names = {
    sample: 'Random sample: look at each', cluster: 'Similar images', unsure: 'Unsure: look at each',
    probably: `Probably ${label}`, 'like none': 'Like none of the labelled images', again: 'Random sample, once more: label these without looking back',
    waiting: 'No suggestion yet', belief: view.scope === `class:${label}` ? `Least probably ${label} first` : `Most probably ${label} first`,
    sure: 'Least sure first', unlike: 'Most unlike the labelled images first', like: 'Most like the chosen image first', files: view.scope?.startsWith('doubt:') ? 'Most urgent first' : 'As they are',
  };
  return `${names[kind] ?? kind}${number && ` ${number}`} · ${count.toLocaleString('en')}`;
}

// ---- display

function fill(cell, index, section) {
  const row = state.rows[index];
  const given = section.kind === 'again' ? -1 : state.given[index];
  const guess = state.guess[index];
  const word = state.words[state.word[index]] ?? '';
  const text = given >= 0 ? state.classes[given].name
    : section.kind === 'cluster' ? '' : guess < 0 || section.kind === 'unsure' ? word
      : `${state.classes[guess].name} ${state.belief[index]} %`;
  scroller.want(cell, `thumb/${row}?${state.number}`);
  cell.text.textContent = text;
  cell.box.title = text;
  cell.box.setAttribute('aria-label', `Image ${index + 1}, ${section.title.split(' · ')[0]}${text ? `: ${text}` : ''}`);
  const isChosen = selection.rows.has(row);
  cell.box.setAttribute('aria-selected', String(isChosen));
  cell.box.classList.toggle('focused', index === selection.focus);
  cell.box.classList.toggle('given', given >= 0);
  if (index === selection.focus) part('scroller').setAttribute('aria-activedescendant', cell.box.id);
}

function draw() {
  scroller.refresh();
  selection.mark();
  document.querySelector('[data-act=clear]').disabled = !selection.rows.size;
}

// The selection has changed.
function changed() {
  draw();
  const count = selection.rows.size;
  say(count ? `${some(count, 'image')} selected.` : state.rows.length ? `Image ${selection.focus + 1} of ${state.rows.length.toLocaleString('en')}.` : '');
}

const drawn = new Map();

// Draw a part only if its content has changed, to keep the focus.
function redraw(id, content, draw) {
  const text = JSON.stringify(content);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  draw(part(id), content);
}

// Show all that is around the images.
function around() {
  const { accuracy, classes, progress, sample } = facts;
  part('accuracy').textContent = accuracy ? percent(accuracy.value) : '–';
  part('interval').textContent = accuracy
    ? `${percent(accuracy.low)} to ${percent(accuracy.high)} with 95 % confidence, on ${some(accuracy.n, 'image')} of the random sample. ${!accuracy.more ? '' : accuracy.more > sample.left ? `A sample of ${(accuracy.n + accuracy.more).toLocaleString('en')} would narrow it to ± 5 points.` : `Some ${accuracy.more.toLocaleString('en')} more would narrow it to ± 5 points.`}`
    : `Known after ten labels of other images, and some of the random sample (${sample.size - sample.left} of ${sample.size} labelled).`;
  part('grow').hidden = !accuracy?.more || sample.left > 0 || !sample.grows;
  redraw('classes', classes, (place) => place.replaceChildren(...classes.filter(({ key }) => key).map((one) => labelButton(one.name, one.key, one.count))));
  document.querySelector('[data-act=undo]').disabled = !facts.undoable;
  part('stage').textContent = facts.view.sort === 'next' ? STAGES[facts.stage] : '';
  redraw('sections', (state?.sections ?? []).map((section) => section.title), (place) => place.replaceChildren(...state.sections.map((section, at) => {
    const to = make('button', { type: 'button', textContent: section.title.replace(/:.* ·/, ' ·') });
    to.addEventListener('click', () => { part('scroller').scrollTop = state.sections[at].top; selection.move(state.sections[at].start); part('scroller').focus(); });
    return make('li', {}, to);
  })));
  part('counts').textContent = `${some(facts.labelled, 'label')}, ${facts.left.toLocaleString('en')} images left${facts.dropped ? `, ${facts.dropped.toLocaleString('en')} dropped` : ''}. You are ${facts.by || 'unnamed'}.`;
  const done = Math.min(progress.hashed, progress.featured + progress.broken);
  part('progress').textContent = progress.problem ?? (done < progress.files ? `Features of ${done.toLocaleString('en')} of ${some(progress.files, 'image')} are computed.` : progress.broken ? `${some(progress.broken, 'file')} cannot be read.` : '');
  part('others').textContent = facts.others.map(({ by, seconds, images }) => `${by === facts.by ? 'You labelled' : `${by || 'Someone'} labelled`} ${some(images, 'image')}${by === facts.by ? ' in another window' : ''}, the last ${seconds < 60 ? 'just now' : `${Math.round(seconds / 60)} min ago`}.`).join(' ');
  redraw('scope', [facts.view.scope, facts.queries, facts.doubts, classes], drawScopes);
  redraw('sort', [facts.view, facts.stage], (place) => {
    const sorts = { ...SORTS, ...(facts.view.sort === 'like' && { like: 'most like the chosen image' }) };
    place.replaceChildren(...Object.entries(sorts).map(([value, text]) => make('option', { value, textContent: text, selected: value === facts.view.sort })));
  });
  part('belief-in').hidden = facts.view.sort !== 'belief';
  redraw('label', [facts.view.label, classes.map(({ name }) => name)], (place) => place.replaceChildren(...classes.map(({ name }) => make('option', { value: name, textContent: name, selected: name === facts.view.label }))));
}

function drawScopes(place) {
  const option = (value, text) => make('option', { value, textContent: text, selected: value === facts.view.scope });
  const group = (label, options) => (options.length ? [make('optgroup', { label }, ...options)] : []);
  place.replaceChildren(
    option('unlabelled', `unlabelled (${facts.left.toLocaleString('en')})`), option('all', 'all images'),
    ...group('Class', facts.classes.filter(({ count }) => count).map(({ name, count }) => option(`class:${name}`, `${name} (${count.toLocaleString('en')})`))),
    ...group('Doubt', facts.doubts.map((kind) => option(`doubt:${kind}`, kind))),
    ...group('Query', facts.queries.map((query) => option(`query:${query}`, query))),
  );
}

function labelButton(name, key, count) {
  const button = make('button', { type: 'button' }, make('span', { textContent: name }), ' ');
  if (key) button.append(make('kbd', { textContent: key }));
  button.append(make('small', { textContent: ` ${count.toLocaleString('en')}` }));
  button.addEventListener('click', () => { part('other').close(); act('label', name); });
  return button;
}

function go(changes) {
  Object.assign(view, changes);
  location.replace(`#${new URLSearchParams(view)}`);
  selection.forget();
  selection.focus = selection.anchor = 0;
  part('scroller').scrollTop = 0;
  state = state && { ...state, order: '' };
  say('Reading the images …');
  load();
}

// ---- actions

// Label or drop the selected images; they leave at once, and come back if the server refuses.
function act(action, label) {
  if (!state.rows.length) return;
  const rows = selection.rows.size ? [...selection.rows] : [state.rows[selection.focus]];
  const { number, version } = state;
  const refused = [...selection.left];
  const before = state;
  warn('');
  if (stays(action, label)) selection.forget();
  else leave(new Set(rows));
  say(`${some(rows.length, 'image')} ${action === 'drop' ? 'dropped' : `labelled ${label}`}.`);
  sending += 1;
  queue = queue.then(async () => {
    try {
      await ask('act', { number, version, rows, label: action === 'drop' ? null : label, refused: action === 'drop' ? [] : refused, window: window_ });
    } catch (error) {
      show({ ...before, order: '' });
      say('Nothing was changed.');
      warn(error.message);
    } finally {
      sending -= 1;
      if (!sending) await load();
    }
  });
}

// Whether images stay in view with that label.
const stays = (action, label) => action === 'label' && (view.scope === 'all' || view.scope === `class:${label}` || /^(doubt|query):/.test(view.scope));

// Remove rows from the images shown.
function leave(rows) {
  const kept = state.rows.map((row) => !rows.has(row));
  const pick = (values) => values.filter((_, index) => kept[index]);
  let start = 0;
  const sections = state.sections.map((section) => {
    let count = 0;
    for (let at = section.start; at < section.start + section.count; at += 1) count += kept[at];
    start += count;
    return { ...section, start: start - count, count };
  }).filter(({ count }) => count);
  selection.focus -= kept.slice(0, selection.focus).filter((stay) => !stay).length;
  selection.forget();
  show({ ...state, sections, order: '', rows: pick(state.rows), guess: pick(state.guess), belief: pick(state.belief), word: pick(state.word), given: pick(state.given) });
}

function undo() {
  warn('');
  sending += 1;
  queue = queue.then(async () => {
    let rows = [];
    try {
      ({ rows } = await ask(`undo?window=${window_}`, {}));
    } catch (error) {
      warn(error.message);
    } finally {
      sending -= 1;
    }
    selection.forget();
    await load();
    const back = state.rows.indexOf(rows[0]);
    if (back >= 0) selection.move(back);
    say(rows.length ? `Undone: ${some(rows.length, 'image')}.` : 'There is nothing to undo.');
  });
}

function drawFound() {
  const wanted = part('filter').value.trim();
  const found = facts.classes.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase())).slice(0, 100);
  const buttons = found.map(({ name, count }) => labelButton(name, '', count));
  if (wanted && !facts.classes.some(({ name }) => name === wanted)) {
    const add = make('button', { type: 'button', className: 'good', textContent: `New class: ${wanted}` });
    add.addEventListener('click', () => { part('other').close(); act('label', wanted); });
    buttons.push(add);
  }
  part('found').replaceChildren(...buttons);
}

function resize(step) {
  const at = Math.max(0, Math.min(SIDES.length - 1, SIDES.indexOf(scroller.side) + step));
  view.side = scroller.side = SIDES[at];
  history.replaceState(null, '', `#${new URLSearchParams(view)}`);
  document.documentElement.style.setProperty('--side', `${scroller.side}px`);
  scroller.arrange();
  if (state) selection.mark();
}

const ACTS = {
  above: () => selection.above(),
  clear: () => selection.clear(),
  close: () => document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close()),
  drop: () => act('drop'),
  grow: async () => {
    try {
      await ask('sample', {});
    } catch (error) {
      warn(error.message);
    }
    load();
  },
  help: () => part('help').showModal(),
  larger: () => resize(1),
  like: () => {
    const row = selection.rows.size ? [...selection.rows][0] : state.rows[selection.focus];
    if (row !== undefined) go({ sort: 'like', like: row });
  },
  open: () => state.rows.length && open(`open/${selection.rows.size === 1 ? [...selection.rows][0] : state.rows[selection.focus]}`, '_blank', 'noopener'),
  other: () => { part('filter').value = ''; drawFound(); part('other').showModal(); part('filter').focus(); },
  smaller: () => resize(-1),
  undo,
};

const KEYS = { a: 'above', e: 'like', x: 'drop', z: 'undo', '/': 'other', '?': 'help', '+': 'larger', '-': 'smaller', Enter: 'open', Escape: 'clear' };

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !state) return;
  if (document.querySelector('dialog[open]')) {
    if (event.key !== 'Enter' || event.target !== part('filter')) return;
    // Of several classes, only the one that is typed whole.
    const wanted = part('filter').value.trim();
    const buttons = [...part('found').children];
    event.preventDefault();
    (buttons.find((button) => button.firstChild.textContent === wanted) ?? (buttons.length === 1 ? buttons[0] : null))?.click();
    return;
  }
  if (event.target.closest('select, input') || (event.target.closest('button, a') && ['Enter', ' '].includes(event.key))) return;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -scroller.columns, ArrowDown: scroller.columns, Home: -Infinity, End: Infinity }[event.key];
  const label = event.key.length === 1 && facts.classes.find(({ key }) => key === event.key);
  if (step) selection.move(selection.focus + step, event.shiftKey);
  else if (event.key === ' ') selection.toggle(selection.focus);
  else if (event.repeat) return; // a key that is held down only moves
  else if (label) act('label', label.name);
  else if (KEYS[event.key]) ACTS[KEYS[event.key]]();
  else return;
  event.preventDefault();
});

document.addEventListener('click', (event) => ACTS[event.target.closest('[data-act]')?.dataset.act]?.());
part('filter').addEventListener('input', drawFound);
part('scope').addEventListener('change', ({ target: { value } }) => go({ scope: value, sort: value === 'unlabelled' ? 'next' : value.startsWith('class:') ? 'belief' : 'files', label: value.startsWith('class:') ? value.slice(6) : '' }));
part('sort').addEventListener('change', ({ target: { value } }) => go({ sort: value, label: view.label || facts.classes[0]?.name || '' }));
part('label').addEventListener('change', ({ target: { value } }) => go({ label: value }));
document.addEventListener('visibilitychange', load);

if (SIDES.includes(Number(view.side))) scroller.side = Number(view.side);
resize(0);
await load();
part('scroller').focus();

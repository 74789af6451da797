// One case at a time: large images, what is known about them, and decisions by key.
// All content is untrusted: it is set as text, never as markup.

import { LABELLINGS } from './labelling.js';
import { LABEL_KEYS } from './labels.js';
import { KINDS, ask, askLabel, decide as send, make, part, say, undo, wait, warn, window_ } from './page.js';

let session = null; // response of /cases
let shown = null; // the case on the page
let chosen = 0; // index of the selected image
let version = 0;
let undoable = 0;
let later = 0; // the timer of the next look for images to compare with
let busy = false; // during a request; keys pressed meanwhile are ignored, since the case may change

// Run one action at a time, and show its error.
async function exclusively(work) {
  if (busy) return;
  busy = true;
  document.querySelector('main').setAttribute('aria-busy', 'true');
  try {
    await work();
    warn('');
  } catch (error) {
    if (!shown) empty();
    warn(error.message);
  } finally {
    busy = false;
    document.querySelector('main').setAttribute('aria-busy', 'false');
  }
}

function empty() {
  part('none').hidden = false;
  part('case-actions').hidden = true;
}

const listed = (names) => names.join(' or ');

// ---- display

function labelOf(image) {
  return image.label ?? `${listed(image.came_as)}?`;
}

const isNew = (image) => image.verdict === 'new'; // from the inbox; accepting it moves it to data/

// What was decided about an image.
function outcome(image) {
  const { decision } = image;
  if (isNew(image) && decision.verb === 'relabel') return `added to the images, as ${decision.label}`;
  return { relabel: `labelled ${decision.label}`, disputed: `disputed: ${decision.label}`, keep: 'kept', drop: 'dropped' }[decision.verb] ?? decision.verb;
}

function describe(image) {
  const { decision } = image;
  const by = decision.by ? ` · ${decision.by}` : '';
  return outcome(image) + by + (decision.why ? ` · ${decision.why}` : '');
}

function frame(image, name, tag, properties) {
  const img = make('img', { alt: name, src: `image/${image.row}?${session.number}`, decoding: 'async' });
  const box = make(tag, { className: 'frame', ...properties }, img);
  img.addEventListener('load', () => {
    // A small image is enlarged to at most four times its size.
    img.style.maxWidth = `${4 * img.naturalWidth}px`;
    img.style.maxHeight = `${4 * img.naturalHeight}px`;
  });
  img.addEventListener('error', async () => {
    const answer = await fetch(img.src).catch(() => null);
    const reason = answer ? (await answer.text()).trim() : 'no server';
    img.replaceWith(make('span', {}, `cannot be shown: ${reason}`));
  });
  return box;
}

function place(item, named) {
  const from = make('span', { className: 'faint' }, [named && `labelled '${item.label}'`, item.source, item.query, item.url?.includes(item.title) || item.title].filter((text) => typeof text === 'string' && text).join(' · '));
  if (!item.url) return make('div', {}, from);
  const web = /^https?:\/\/(?!shop\.pixmill\.test\/)/.test(item.url); // the bundled shop has no public host
  const address = web
    ? make('a', { href: item.url, target: '_blank', rel: 'noopener noreferrer', title: item.url }, cut(item.url))
    : make('span', { title: item.url.slice(0, 300) }, cut(item.url.replace('http://shop.pixmill.test/', 'bundled shop: /')));
  return make('div', {}, address, ' ', from);
}

const cut = (text) => (text.length <= 90 ? text : `${text.slice(0, 59)}…${text.slice(-30)}`);

function card(image, number) {
  const name = `Image ${number + 1}: ${labelOf(image)}`;
  const box = frame(image, name, 'button', { type: 'button', aria: { pressed: 'false', label: name } });
  box.append(make('span', { className: 'number', aria: { hidden: 'true' } }, String(number + 1)));
  box.addEventListener('click', () => choose(number));
  const rule = isNew(image) || image.verdict === 'keep' ? null : make('span', { className: 'badge rule' }, `dropped by a rule: ${image.reason}`);
  const decision = image.decision;
  const size = [image.size, image.format, `${image.bytes.toLocaleString('en')} bytes`].filter(Boolean).join(' · ');
  const facts = make('div', { className: 'facts' },
    make('div', { className: 'head' }, make('span', {}, labelOf(image)),
      decision ? make('span', { className: `badge ${decision.verb}` }, describe(image)) : rule),
    make('div', {}, size),
    ...image.places.map((item) => place(item, image.label === null)),
    image.more_places ? make('div', { className: 'faint' }, `and ${image.more_places.toLocaleString('en')} more URLs`) : null);
  return make('article', { className: `card is-${decision?.verb ?? 'open'}`, data: { id: image.id } }, box, facts);
}

function comparison(image) {
  const name = shown.label ? labelOf(image) : `${shown.suggestion ? 'Labelled' : 'Typical'} '${labelOf(image)}'`;
  return make('figure', {}, frame(image, name, 'div', {}), make('figcaption', {}, name));
}

function show(next, keep = false) {
  const same = keep && shown?.number === next.number;
  shown = next;
  if (!same) {
    chosen = Math.max(0, shown.images.findIndex((image) => !image.decision));
    part('reason').value = '';
  }
  part('end').hidden = true;
  part('decide').hidden = false;
  part('case').hidden = false;
  part('title').textContent = `${shown.number + 1}. ${shown.title}`;
  part('why').textContent = shown.why;
  const images = part('images');
  const count = shown.images.length;
  part('sides').classList.toggle('single', count === 1);
  images.style.setProperty('--least', count < 3 ? '300px' : '250px');
  images.style.setProperty('--height', count < 3 ? '46vh' : '30vh');
  const held = images.contains(document.activeElement);
  images.replaceChildren(...shown.images.map(card));
  if (shown.hidden.length) images.append(make('p', { className: 'faint' }, `and ${shown.hidden.length} more with the same pixels`));
  compare(shown);
  if (!same) part('between').hidden = true;
  for (const act of ['only', 'keep-all', 'drop-all']) button(act).hidden = count < 2;
  if (shown.kind === 'conflicts') button('keep-all').hidden = true; // the labels contradict each other
  const [first] = shown.images;
  part('keep').textContent = !isNew(first) ? 'Keep' : first.label === null ? 'Accept as…' : `Accept as '${first.label}'`;
  // A case that asks about one label is answered by yes or no.
  for (const act of ['yes', 'no', 'unsure']) button(act).hidden = !shown.label;
  for (const act of ['keep', 'relabel']) button(act).hidden = Boolean(shown.label);
  for (const kbd of button('next').querySelectorAll('kbd')) kbd.hidden = Boolean(shown.label);
  button('accept').hidden = !shown.suggestion || Boolean(shown.label);
  part('accept').textContent = shown.suggestion ? `Relabel to '${shown.suggestion}'` : '';
  overview();
  choose(chosen, held);
  if (!same) {
    window.scrollTo(0, 0);
    say(`Case ${shown.number + 1} of ${shown.total}: ${shown.title}.`);
  }
}

// Show the images to compare with. Those most like an image are known once its features are computed.
function compare({ number, suggestion, comparison: found }) {
  clearTimeout(later);
  const waits = suggestion && !found.length && session.trained;
  part('comparison').hidden = !found.length && !waits;
  part('compared').textContent = waits ? 'Looking for the training images most like it …' : suggestion ? 'Most like it in training' : 'For comparison';
  part('typical').replaceChildren(...found.map(comparison));
  if (waits) later = setTimeout(async () => { if (shown.number === number) compare(await ask(`case/${number}`)); }, 2000);
}

function overview() {
  part('progress').max = Math.max(1, shown.total);
  part('progress').value = shown.done;
  part('done').textContent = `${shown.done} of ${shown.total} decided${session.by ? `, by ${session.by}` : ''}`;
  const held = part('kinds').contains(document.activeElement);
  part('kinds').replaceChildren(...shown.kinds.map((kind) => {
    const to = make('button', { type: 'button' }, `${KINDS[kind.kind]}: ${kind.done < kind.total ? `${kind.total - kind.done} of ${kind.total} left` : 'done'}`);
    if (kind.kind === shown.kind) to.setAttribute('aria-current', 'true');
    to.addEventListener('click', () => exclusively(() => go(kind.first)));
    return to;
  }));
  if (held) part('kinds').querySelector('[aria-current]').focus();
  document.querySelector('#case-actions [data-act=undo]').disabled = !undoable;
}

function choose(number, held = part('images').contains(document.activeElement)) {
  if (number < 0 || number >= shown.images.length) return;
  chosen = number;
  [...document.querySelectorAll('.images .card')].forEach((item, at) => {
    item.classList.toggle('chosen', at === number);
    item.querySelector('.frame').setAttribute('aria-pressed', String(at === number));
    if (at !== number) return;
    item.scrollIntoView({ block: 'nearest' });
    // Keep the focus among the images for users of Tab.
    if (held) item.querySelector('.frame').focus();
  });
  button('clear').disabled = !shown.images[number].decision;
}

const button = (act) => document.querySelector(`#case-actions [data-act=${act}]`);

function end() {
  part('case').hidden = true;
  part('decide').hidden = true;
  part('between').hidden = true;
  part('end').hidden = false;
  part('data').hidden = !session.inbox;
  part('end-title').textContent = `${shown.total} of ${shown.total} done.`;
  part('train').focus();
  say(`All ${shown.total} cases are decided.`);
}

// Say that a kind of cases is done, and what comes next.
function between(kind) {
  const { done, total } = shown.kinds.find((each) => each.kind === kind);
  const next = shown.kinds.find((each) => each.kind === shown.kind);
  part('between').hidden = false;
  part('between-text').textContent = `${done} of ${total} ${KINDS[kind]} done. Next: ${next.total - next.done} ${KINDS[shown.kind]}. `;
}

// ---- actions

async function go(number, keep = false) {
  const next = await ask(`case/${number}?window=${window_}`);
  ({ version, undoable } = next);
  show(next, keep);
  return next;
}

async function step(by) {
  if (!part('end').hidden) return go(by < 0 ? shown.number : 0);
  const number = shown.number + by;
  if (number >= 0 && number < shown.total) return go(number);
  if (by > 0 && shown.done === shown.total) return end();
  return say(by < 0 ? 'This is the first case.' : 'This is the last case, but others are still open: see the kinds above.');
}

// choices: [{rows, verb, label}]
async function decide(choices) {
  if (!part('end').hidden) return;
  const { number } = shown;
  await send({ number: session.number, version, case: number, choices, why: part('reason').value });
  const after = await go(number, true);
  const [first] = choices;
  const made = after.images.find(({ row }) => row === first.rows[0]);
  const count = choices.reduce((sum, { rows }) => sum + rows.length, 0);
  const what = { clear: 'Cleared', unsure: 'Not sure: nothing is decided' }[first.verb] ?? (count > 1 ? `Saved: ${count} decisions` : made.decision ? `Saved: ${outcome(made)}` : `Now: ${labelOf(made)}`);
  if (after.settled && first.verb !== 'clear') {
    if (after.next === null) end();
    else {
      await go(after.next);
      if (shown.kind !== after.kind) between(after.kind);
    }
  } else {
    const open = after.images.findIndex((one) => !one.decision);
    if (open >= 0 && after.images[chosen].decision) choose(open);
  }
  say(`${what}. ${part('end').hidden ? `Case ${shown.number + 1} of ${shown.total}: ${shown.title}.` : 'All cases are decided.'}`);
}

const image = () => shown.images[chosen];
const all = () => [...shown.images.map(({ row }) => row), ...shown.hidden];
const one = (verb, label) => exclusively(() => decide([{ rows: [image().row], verb, label }]));
const isShown = (act) => shown && !button(act).hidden;

const acts = {
  keep: () => isShown('keep') && (image().label === null ? acts.relabel() : one('keep')),
  drop: () => one('drop'),
  clear: () => image().decision && one('clear'),
  accept: () => isShown('accept') && one('relabel', shown.suggestion),
  yes: () => isShown('yes') && one('yes', shown.label),
  no: () => isShown('no') && one('no', shown.label),
  unsure: () => (shown.label && !shown.settled && part('end').hidden ? one('unsure', shown.label) : acts.next()),
  only: () => isShown('only') && exclusively(() => decide([{ rows: [image().row], verb: 'keep' }, { rows: all().filter((row) => row !== image().row), verb: 'drop' }])),
  'keep-all': () => isShown('keep-all') && exclusively(() => decide([{ rows: all(), verb: 'keep' }])),
  'drop-all': () => isShown('drop-all') && exclusively(() => decide([{ rows: all(), verb: 'drop' }])),
  undo: () => exclusively(async () => {
    const undone = await undo();
    await go(undone.case ?? shown.number);
    say(undone.rows.length ? 'Undone.' : 'There is nothing to undo.');
  }),
  next: () => exclusively(() => step(1)),
  previous: () => exclusively(() => step(-1)),
  relabel: () => {
    if (!part('end').hidden || shown.label) return;
    const likely = new Set([...image().came_as, shown.suggestion]);
    askLabel({ classes: shown.classes.map((name) => ({ name })), likely, keyed: shown.classes.length <= LABEL_KEYS.length, choose: (name) => one('relabel', name) });
    document.querySelector('.card.chosen .frame').scrollIntoView(); // above the dialog
  },
};

// ---- keys

const KEYS = {
  k: 'keep', d: 'drop', r: 'relabel', a: 'accept', o: 'only', K: 'keep-all', D: 'drop-all', x: 'clear', u: 'undo',
  y: 'yes', p: 'previous', '?': 'help', ' ': 'unsure',
};

// Return the act of a key; `done` if it has been done.
function key(event) {
  if (!shown) return '';
  if (event.target instanceof HTMLInputElement) {
    if (event.key === 'Enter' || event.key === 'Escape') event.target.blur();
    return '';
  }
  if (event.key === ' ' && event.target instanceof HTMLButtonElement) return '';
  const act = event.key === 'n' ? LABELLINGS[session.task].n : KEYS[event.key];
  if (/^[1-9]$/.test(event.key)) choose(Number(event.key) - 1);
  else if (event.key === 'ArrowRight') choose(chosen + 1);
  else if (event.key === 'ArrowLeft') choose(chosen - 1);
  else if (event.key === 'w') part('reason').focus();
  // A key that is held down only turns pages.
  else return act && (!event.repeat || ['next', 'previous'].includes(act) || (act === 'unsure' && !shown.label)) ? act : '';
  return 'done';
}

const begin = () => exclusively(async () => {
  wait('Reading the cases …');
  session = await ask(`cases${location.search}`).finally(() => wait(''));
  document.body.dataset.task = session.task;
  if (!session.total) return empty();
  part('none').hidden = true;
  part('case-actions').hidden = false;
  await go(session.first ?? 0);
  choose(shown.images.findIndex(({ row }) => row === session.image));
  if (session.first === null) end();
});

export const cases = { begin, key, acts };

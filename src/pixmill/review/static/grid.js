// The grid: shows images in sections, and labels those that are selected.
// All content is untrusted: it is set as text, never as markup.

import { LABELLINGS } from './labelling.js';
import { LABEL_KEYS, labelButton } from './labels.js';
import { KINDS, ask, askLabel, decide, make, part, say, undo as takeBack, wait, warn, window_ } from './page.js';
import { percent as exact } from './percent.js';
import { Scroller } from './scroller.js';
import { Selection } from './selection.js';

const POLL = 2000; // milliseconds between questions for the state
const SOON = 400; // the same until it is known what to label
const SIDES = [80, 100, 120, 160, 220];
const SORTS = { next: 'what to label next', belief: 'probability of a class', sure: 'least sure first', unlike: 'most unlike first', files: 'as they are' };
const ASKED = { random: 'random images', disagreement: 'two models disagree', doubtful: 'doubtful images' };
const LISTS = /^(doubt:|query:|errors$|selection$)/; // scopes that show images in their own order, whatever their label
const UNRANKED = new Set(['sample', 'again', 'unsure', 'asked']); // sections of which each image must be looked at
const STAGES = [
  '',
  'Label these first: they measure the accuracy honestly. They are a random sample, without suggestions: look at each image, select those of a class, and press its key.',
  'Name the clusters: select what is alike, and press the key of its class.',
  'Confirm the suggestions: select all above the dashed line, which follows the pointer, click the wrong ones away, and press the key. Look at each of the unsure ones.',
];

const view = {};
const busy = () => sending > 0 || selection.rows.size > 0;

let state = null; // the last answer with images
let facts = null; // the last answer
let labelling = LABELLINGS.one_label;
let sending = 0; // actions that wait for their answer
let queue = Promise.resolve();
let timer = 0;
let sampling = false; // the random sample is shown, or its end
const seconds = new Map(); // first and second label of the images that were labelled once more, by row

const scroller = new Scroller(part('scroller'), part('canvas'), fill);
const selection = new Selection(scroller, { rowAt: (index) => state.rows[index], count: () => state?.rows.length ?? 0, changed, isRanked: (index) => !UNRANKED.has(scroller.sectionOf(index)?.kind) });

const some = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
const percent = (share) => exact(share, 0);

// ---- state

async function load() {
  clearTimeout(timer);
  if (document.body.dataset.view !== 'grid') return;
  try {
    if (!document.hidden || !state) {
      const known = state && busy() ? facts.order : state?.order ?? '';
      take(await ask(`state?${new URLSearchParams({ ...view, window: window_, known })}`));
      if (part('alert').dataset.kind === 'load') warn('');
    }
  } catch (error) {
    wait('');
    warn(error.message);
    part('alert').dataset.kind = 'load';
  }
  clearTimeout(timer);
  timer = setTimeout(load, facts?.waits ? SOON : POLL);
}

function take(answer) {
  facts = answer;
  labelling = LABELLINGS[facts.task];
  document.body.dataset.task = facts.task;
  // Images do not move while some are selected.
  if (answer.rows && !(state && busy() && state.number === answer.number)) {
    if (state?.number !== answer.number) selection.forget();
    show(alone(answer));
  }
  around();
}

// The random sample is shown apart, and so is its end; before it is drawn, nothing is. Finished images are shown only to those who ask.
function alone(all) {
  if (view.sort !== 'next') return all;
  const answer = without(all, looked(all));
  const [first] = answer.sections;
  const hasSample = first?.kind === 'sample' && !view.sample;
  sampling = hasSample || (sampling && answer.left > 0);
  if (hasSample) return { ...answer, sections: [first], rows: answer.rows.slice(0, first.count) };
  const again = answer.sections.find(({ kind }) => kind === 'again')?.count ?? 0;
  const isDone = view.scope === 'unlabelled' && !answer.left && !view.again;
  return sampling || answer.waits || isDone ? { ...answer, sections: [], rows: [], again } : answer;
}

// The images that were labelled once more: they are done if both labels are equal, else they come again after all others.
function looked({ sections, rows }) {
  const { start = 0, count = 0 } = sections.find(({ kind }) => kind === 'again') ?? {};
  const again = rows.slice(start, start + count);
  const done = again.filter((row) => seconds.has(row));
  const isFirst = done.length < again.length;
  return new Set(done.filter((row) => isFirst || seconds.get(row)[0] === seconds.get(row)[1]));
}

// Show images. The place in the section at the top of the view stays, unless other images are now the first ones to label.
function show(answer) {
  const { scrollTop } = part('scroller');
  const stays = state?.sections[0]?.kind === answer.sections[0]?.kind;
  const top = stays && scrollTop > 0 && state.sections.findLast((section) => section.top <= scrollTop);
  if (!stays) part('scroller').scrollTop = 0;
  const offset = top ? scrollTop - top.top : 0;
  state = answer;
  let clusters = 0;
  for (const section of state.sections) section.title = title(section, section.kind === 'cluster' ? (clusters += 1) : '');
  const same = top && state.sections.find(({ kind, label }) => kind === top.kind && label === top.label);
  scroller.show(state.sections);
  if (same && top.kind !== 'cluster') part('scroller').scrollTop = same.top + Math.min(offset, Math.max(0, Math.ceil(same.count / scroller.columns - 1) * scroller.height));
  selection.focus = Math.max(0, Math.min(selection.focus, state.rows.length - 1));
  if (/^$|…$/.test(part('status').textContent)) changed();
  else draw();
}

function title({ kind, label, count }, number) {
  const names = {
    sample: 'Random sample: look at each', cluster: 'Similar images', unsure: 'Unsure: look at each',
    probably: `Probably ${label}`, 'like none': 'Like none of the labelled images', again: 'Random sample, once more, without the first label',
    waiting: 'No suggestion yet', belief: view.scope === `class:${label}` ? `Least probably ${label} first` : `Most probably ${label} first`,
    sure: 'Least sure first', unlike: 'Most unlike the labelled images first', like: 'Most like the chosen image first', asked: 'From the log: look at each', files: view.scope === 'selection' ? `Selected ${facts.selected.where}`.trim() : view.scope === 'errors' ? wrong() : view.scope.startsWith('doubt:') ? 'Most urgent first' : 'As they are',
  };
  return `${names[kind] ?? kind}${number && ` ${number}`} · ${count.toLocaleString('en')}`;
}

// What the images of the scope `errors` are.
const wrong = () => ['Wrong', view.label && `labelled ${view.label}`, view.predicted && `the model says ${view.predicted}`].filter(Boolean).join(', ');

// ---- display

function fill(cell, index, section) {
  const row = state.rows[index];
  const given = section.kind === 'again' ? -1 : state.given[index];
  const text = caption(index, section, given);
  scroller.want(cell, `thumb/${row}?${state.number}`);
  cell.text.textContent = text;
  cell.box.title = text.replace(/(.*), not (.*)/, 'labelled $2, the model says $1');
  cell.box.setAttribute('aria-label', `Image ${index + 1}, ${section.title.split(' · ')[0]}${text ? `: ${text}` : ''}`);
  const isChosen = selection.rows.has(row);
  cell.box.setAttribute('aria-selected', String(isChosen));
  cell.box.classList.toggle('focused', index === selection.focus);
  cell.box.classList.toggle('given', given >= 0 && !state.said);
  if (index === selection.focus) part('scroller').setAttribute('aria-activedescendant', cell.box.id);
}

function caption(index, { kind }, given) {
  const label = labelling.shown(state, index, given < 0 ? '' : state.answers[given].name);
  const said = state.said?.[index];
  if (said) return labelling.tell(said, label, state.known?.[index]);
  if (given >= 0 || ['cluster', 'sample', 'again'].includes(kind)) return label;
  const guess = state.guess[index];
  return labelling.guess(label, guess < 0 || kind === 'unsure' ? state.words[state.word[index]] ?? '' : `${state.answers[guess].name} ${state.belief[index]} %`);
}

function draw() {
  scroller.refresh();
  selection.mark();
  part('select-none').disabled = !selection.rows.size;
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
  const { accuracy, answers, classes, focus, progress, sample } = facts;
  part('accuracy-title').textContent = `Accuracy of suggestions${labelling.of(facts)}`;
  part('accuracy-part').hidden = part('sort').disabled = isAsked();
  part('accuracy').textContent = accuracy ? percent(accuracy.value) : '–';
  part('interval').textContent = accuracy
    ? `${percent(accuracy.low)} to ${percent(accuracy.high)} with 95 % confidence, on ${measured()}. ${!accuracy.more ? '' : accuracy.more > sample.left ? `A sample of ${(accuracy.n + accuracy.more).toLocaleString('en')} would narrow it to ± 5 points.` : `Some ${accuracy.more.toLocaleString('en')} more would narrow it to ± 5 points.`}`
    : `Known after ten labels of other images, and some of the random sample (${sample.size - sample.left} of ${sample.size} labelled).`;
  document.querySelector('footer [data-act=above]').hidden = (state?.sections ?? []).every(({ kind }) => UNRANKED.has(kind));
  part('grow').hidden = !accuracy?.more || sample.left > 0 || !sample.grows;
  redraw('classes', classes, (place) => place.replaceChildren(...classes.slice(0, LABEL_KEYS.length).map(({ name, count }, at) => labelButton({ name, key: LABEL_KEYS[at], count }, give))));
  document.querySelector('#labelling [data-act=undo]').disabled = !facts.undoable;
  redraw('stage', stage(), (place, [text, isSample]) => place.replaceChildren(text, ' ', ...(isSample ? [press('Suggestions first', () => go({ sample: 'later' }))] : [])));
  redraw('twice', [...seconds], drawTwice);
  redraw('empty', state?.rows.length === 0 && nothing(), drawNothing);
  const { hashed, files } = progress;
  wait(!facts.waits || view.sort === 'files' ? '' : hashed < files ? `Reading the images: ${hashed.toLocaleString('en')} of ${files.toLocaleString('en')} …` : 'Finding out what to label next …', hashed, files * (hashed < files));
  redraw('sections', (state?.sections ?? []).map((section) => section.title), (place) => place.replaceChildren(...state.sections.map((section, at) => {
    const to = make('button', { type: 'button', textContent: section.title.replace(/:.* ·/, ' ·') });
    to.addEventListener('click', () => { part('scroller').scrollTop = state.sections[at].top; selection.move(state.sections[at].start); part('scroller').focus(); });
    return make('li', {}, to);
  })));
  part('counts').textContent = `${some(facts.labelled, 'label')}, ${some(facts.left, 'image')} left${facts.dropped ? `, ${facts.dropped.toLocaleString('en')} dropped` : ''}. You are ${facts.by || 'unnamed'}.`;
  const done = Math.min(progress.hashed, progress.featured + progress.broken);
  part('images-progress').textContent = progress.problem ?? (progress.opens ? 'Loading the network …' : done < progress.files ? `Features of ${done.toLocaleString('en')} of ${some(progress.files, 'image')} are computed.` : progress.broken ? `${some(progress.broken, 'file')} cannot be read.` : '');
  redraw('scope', [facts.view.scope, facts.queries, facts.doubts, facts.asked, answers, focus], drawScopes);
  redraw('focus', [focus, classes.map(({ name }) => name)], (place) => place.replaceChildren(...classes.map(({ name }) => make('option', { value: name, textContent: name, selected: name === focus }))));
  redraw('sort', [facts.view, facts.stage], (place) => {
    const sorts = { ...SORTS, ...(facts.view.sort === 'like' && { like: 'most like the chosen image' }) };
    place.replaceChildren(...Object.entries(sorts).map(([value, text]) => make('option', { value, textContent: text, selected: value === facts.view.sort })));
  });
  part('belief-in').hidden = facts.view.sort !== 'belief';
  redraw('label', [facts.view.label, answers.map(({ name }) => name)], (place) => place.replaceChildren(...answers.map(({ name }) => make('option', { value: name, textContent: name, selected: name === facts.view.label }))));
}

// Whether the accuracy of suggestions lacks labels that were given just now.
const isBehind = () => facts.accuracy?.n < facts.sample.labelled;

// What the accuracy of suggestions is measured on.
function measured() {
  const { accuracy: { n }, progress, sample } = facts;
  const [read, all] = [progress.featured + progress.broken, progress.files];
  const of = sample.before >= n ? `${some(n, 'validation and test image')} of the last training` : `${isBehind() ? `${n.toLocaleString('en')} of ` : ''}${some(sample.labelled, 'image')} of the random sample${sample.before ? `, ${sample.before.toLocaleString('en')} of them from the last training` : ''}`;
  return `${of}${read < all ? `, so far: ${(all - read).toLocaleString('en')} images are still being read` : ''}`;
}

const isAsked = () => state?.sections[0]?.kind === 'asked';

// What to do with the images shown, and whether they are the sample.
function stage() {
  if (isAsked()) return ['Answer from the first image on: answers count in this order, up to the first image that still waits. Drop what shows no class. Nothing is suggested, since the answers judge the model.', false];
  if (LISTS.test(view.scope)) return [state?.said ? labelling.below : '', false];
  if (facts.view.sort !== 'next' || !state?.rows.length) return ['', false];
  const again = state.sections.some(({ kind }) => kind === 'again');
  if (again && !facts.left) return ['Label these as if for the first time: that shows how consistent the labels are. The first label appears once you have given the second.', false];
  return [`${facts.stage === 1 ? labelling.sample(STAGES[1]) : STAGES[facts.stage]}${again ? ' At the end, some images of the random sample come once more, without the first label: that shows how consistent the labels are.' : ''}`, sampling];
}

// Text of an empty view, its buttons with what they change in the view, and whether all is labelled.
function nothing() {
  const { accuracy, sample } = facts;
  if (facts.waits || sending) return [''];
  if (sampling) return [`Sample done: ${sample.size} of ${sample.size}. ${isBehind() ? 'The accuracy follows.' : accuracy ? `Accuracy of suggestions so far: ${percent(accuracy.value)} (${percent(accuracy.low)} to ${percent(accuracy.high)}).` : 'The accuracy follows after some labels of other images.'}`, { [facts.stage === 2 ? 'Next: similar images' : 'Next: suggestions']: { sample: 'done' } }];
  if (view.scope.startsWith('asked:')) {
    const [done, next] = labelling.done(facts);
    return [`${done}. pixmill watch counts the answers.`, Object.fromEntries(Object.entries(next).map(([name, changes]) => [name, { ...changes, scope: view.scope, sort: view.sort }]))];
  }
  if (view.scope !== 'unlabelled' || facts.left) return ['No image is here.'];
  const more = state.again ? { [`Label ${state.again.toLocaleString('en')} of the random sample once more`]: { again: 'yes' } } : {};
  const [done, next] = labelling.done(facts);
  return facts.labelled ? [`${done}: ${some(facts.labelled, 'image')}.`, { ...next, 'Show them': { scope: 'all', sort: 'sure' }, ...more }, true] : ['No image waits for a label. Add images on the project’s page.'];
}

function drawNothing(place, content) {
  const [text, buttons = {}, isDone] = content || [''];
  place.hidden = !content;
  place.replaceChildren(make('p', { textContent: text }),
    ...(isDone ? [make('button', { type: 'button', className: 'primary', data: { act: 'train' }, textContent: 'Train' })] : []),
    ...Object.entries(buttons).map(([name, changes]) => press(name, () => go(changes))));
  place.querySelector('button')?.focus();
}

// The images that were labelled twice: the labels are compared once both are known.
function drawTwice(place, labels) {
  const others = labels.filter(([, [first, second]]) => first !== second);
  place.hidden = !labels.length;
  place.replaceChildren(`Labelled twice: ${some(labels.length, 'image')}, ${(labels.length - others.length).toLocaleString('en')} as at first. `, ...others.slice(-4).flatMap(([row, [first, second]]) => [
    make('img', { src: `thumb/${row}?${facts.number}`, alt: '' }), ` first ${first}, now ${second} `]));
}

function press(text, act) {
  const button = make('button', { type: 'button', textContent: text });
  button.addEventListener('click', act);
  return button;
}

function drawScopes(place) {
  const option = (value, text) => make('option', { value, textContent: text, selected: value === facts.view.scope });
  const group = (label, options) => (options.length ? [make('optgroup', { label }, ...options)] : []);
  place.replaceChildren(
    option('unlabelled', `${labelling.left} (${facts.left.toLocaleString('en')})`), option('all', 'all images'),
    ...group(labelling.group(facts), facts.answers.filter(({ count }) => count).map(({ name, count }) => option(`class:${name}`, `${name} (${count.toLocaleString('en')})`))),
    ...group('Doubt', facts.doubts.map((kind) => option(`doubt:${kind}`, KINDS[kind]))),
    ...group('From a log', [...new Set([...facts.asked, ...(view.scope.startsWith('asked:') ? [view.scope.slice(6)] : [])])].map((reason) => option(`asked:${reason}`, ASKED[reason]))),
    ...(view.scope === 'selection' ? [option('selection', `selection (${facts.selected.count.toLocaleString('en')})`)] : []),
    ...(view.scope === 'errors' ? [option('errors', wrong())] : []),
    ...group('Query', facts.queries.map((query) => option(`query:${query}`, query))),
  );
}

function go(changes) {
  Object.assign(view, changes);
  history.replaceState(null, '', `#${new URLSearchParams(view)}`);
  turn();
}

// Show another view from its first image.
async function turn() {
  selection.forget();
  selection.focus = selection.anchor = 0;
  part('scroller').scrollTop = 0;
  sampling = false;
  state = state && { ...state, order: '' };
  say('');
  wait('Reading the images …');
  await load();
  if (document.activeElement === document.body) part('scroller').focus();
}

// ---- actions

// Label or drop the selected images; they leave at once, and come back if the server refuses.
function act(verb, label) {
  if (!state?.rows.length) return;
  const rows = selection.rows.size ? [...selection.rows] : [state.rows[selection.focus]];
  const { number } = state;
  const { version } = facts;
  const refused = label && labelling.refuses(facts, label) ? [...selection.left] : [];
  const before = state;
  if (label) {
    lookTwice(rows, label);
    labelling.apply(state, new Set(rows), verb, label);
  }
  warn('');
  if (stays(verb, label)) {
    selection.forget();
    draw();
  } else leave(new Set(rows));
  say(`${some(rows.length, 'image')} ${label ? labelling.said(verb, label) : 'dropped'}.`);
  sending += 1;
  queue = queue.then(async () => {
    try {
      await decide({ number, version, choices: [{ rows, verb, label }], refused });
    } catch (error) {
      show({ ...before, order: '' });
      say('Nothing was changed.');
      warn(error.message);
      for (const row of rows) seconds.delete(row);
    } finally {
      sending -= 1;
      if (!sending) load();
    }
  });
}

// Note both labels of the images that are labelled once more.
function lookTwice(rows, label) {
  const again = state.sections.find(({ kind }) => kind === 'again');
  for (let at = again?.start; at < again?.start + again?.count; at += 1) {
    const row = state.rows[at];
    if (rows.includes(row)) seconds.set(row, [state.answers[state.given[at]]?.name, label]);
  }
}

// Whether images stay in view with that label.
const stays = (verb, label) => label && (view.scope === 'all' || labelling.stays(view, facts, verb, label) || LISTS.test(view.scope));

// Give the selected images a label.
function give(label, isNo = false) {
  if (!state?.rows.length) return;
  const chosen = selection.rows.size ? selection.rows : new Set([state.rows[selection.focus]]);
  const known = (state.known ?? []).filter((_, index) => chosen.has(state.rows[index]));
  act(labelling.verb(known, label, isNo), label);
}

// Return an answer without some rows.
function without(answer, rows) {
  const kept = answer.rows.map((row) => !rows.has(row));
  const pick = (values) => values.filter((_, index) => kept[index]);
  let start = 0;
  const sections = answer.sections.map((section) => {
    let count = 0;
    for (let at = section.start; at < section.start + section.count; at += 1) count += kept[at];
    start += count;
    return { ...section, start: start - count, count };
  }).filter(({ count }) => count);
  const { guess, belief, word, given, known, said } = answer;
  return { ...answer, sections, rows: pick(answer.rows), guess: pick(guess), belief: pick(belief), word: pick(word), given: pick(given), known: known && pick(known), said: said && pick(said) };
}

// Remove rows from the images shown.
function leave(rows) {
  selection.focus -= state.rows.slice(0, selection.focus).filter((row) => rows.has(row)).length;
  selection.forget();
  show({ ...without(state, rows), order: '' });
}

function undo() {
  warn('');
  sending += 1;
  queue = queue.then(async () => {
    let rows = [];
    try {
      ({ rows } = await takeBack());
      for (const row of rows) seconds.delete(row);
    } catch (error) {
      warn(error.message);
    } finally {
      sending -= 1;
    }
    selection.forget();
    state = { ...state, order: '' }; // the images come back
    await load();
    const back = state.rows.indexOf(rows[0]);
    if (back >= 0) selection.move(back);
    say(rows.length ? `Undone: ${some(rows.length, 'image')}.` : 'There is nothing to undo.');
  });
}

function resize(step) {
  const at = Math.max(0, Math.min(SIDES.length - 1, SIDES.indexOf(scroller.side) + step));
  view.side = scroller.side = SIDES[at];
  history.replaceState(null, '', `#${new URLSearchParams(view)}`);
  document.documentElement.style.setProperty('--side', `${scroller.side}px`);
  scroller.arrange();
  if (state) selection.mark();
}

const acts = {
  above: () => selection.above(),
  clear: () => selection.clear(),
  drop: () => act('drop'),
  grow: async () => {
    try {
      await ask('sample', {});
    } catch (error) {
      warn(error.message);
    }
    go({ sample: '' });
  },
  larger: () => resize(1),
  like: () => {
    const row = selection.rows.size ? [...selection.rows][0] : state.rows[selection.focus];
    if (row !== undefined) go({ sort: 'like', like: row });
  },
  open: () => state.rows.length && open(`open/${selection.rows.size === 1 ? [...selection.rows][0] : state.rows[selection.focus]}`, '_blank', 'noopener'),
  other: () => askLabel({ classes: facts.classes, choose: give }),
  smaller: () => resize(-1),
  undo,
};

const KEYS = { a: 'above', e: 'like', x: 'drop', z: 'undo', '/': 'other', '?': 'help', '+': 'larger', '-': 'smaller', Enter: 'open', Escape: 'clear' };

// Return the act of a key; `done` if it has been done.
function key(event) {
  if (!state) return '';
  if (event.target.closest('select, input') || (event.target.closest('button, a') && ['Enter', ' '].includes(event.key))) return '';
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -scroller.columns, ArrowDown: scroller.columns, Home: -Infinity, End: Infinity }[event.key];
  const pressed = labelling.key(event); // also where Shift and a digit is `/`, as in German
  const label = pressed.length === 1 && facts.classes[LABEL_KEYS.indexOf(pressed)];
  if (step) selection.move(selection.focus + step, event.shiftKey);
  else if (event.key === ' ') selection.toggle(selection.focus);
  else if (event.repeat) return ''; // a key that is held down only moves
  else if (label) give(label.name, event.shiftKey);
  else return KEYS[event.key] ?? '';
  return 'done';
}

part('scope').addEventListener('change', ({ target: { value } }) => go({ scope: value, sort: value === 'unlabelled' ? 'next' : value.startsWith('class:') ? 'belief' : 'files', label: value.startsWith('class:') ? value.slice(6) : '', predicted: '' }));
part('sort').addEventListener('change', ({ target: { value } }) => go({ sort: value, label: view.label || facts.answers[0]?.name || '' }));
part('focus').addEventListener('change', ({ target: { value } }) => go({ focus: value }));
part('label').addEventListener('change', ({ target: { value } }) => go({ label: value }));
document.addEventListener('visibilitychange', load);

async function begin() {
  for (const name of Object.keys(view)) delete view[name];
  Object.assign(view, Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
  view.scope ??= 'unlabelled';
  if (SIDES.includes(Number(view.side))) scroller.side = Number(view.side);
  view.sort ??= view.scope === 'unlabelled' ? 'next' : 'files';
  resize(0);
  await turn();
}

export const grid = { begin, key, acts };

// The page of the map: has it made, colours it, hands a selection on. All content is untrusted: it is set as text.

import { Plot } from './plot.js';

const HUES = ['#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377', '#ee8866', '#44aa99']; // by Paul Tol, told apart by all
const MIXED = ['transparent 0%', 'white 45%', 'black 35%']; // further classes have the same hues, lighter and darker
const GREY = '#999999';
const MAX_SELECTED = 15000; // 1 MiB of ids
const POLL = 500; // milliseconds between questions while the map is made
const STEPS = { hashed: 'Reading the images', network: 'Loading the network, which takes half a minute the first time on this machine', featured: 'Looking at the images', layout: 'Arranging the images' };

const part = (id) => document.getElementById(id);
const make = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const some = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

const window_ = (sessionStorage.window ??= Math.random().toString(36).slice(2)); // shared with the grid, which shows this tab's selection
let points = null; // the answer of the server
let plot = null;
let number = 0; // of the session, which numbers the rows
let lasso = null; // the images in it; null without one
let selected = []; // those of the legend, with doubts and in the lasso; none while nothing narrows them
const pressed = new Set(); // values of the legend

async function ask(path, body) {
  const answer = await fetch(path, body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const text = await answer.text();
  const content = text.startsWith('{') ? JSON.parse(text) : { error: text };
  if (content.error) throw new Error([content.error, content.next].filter(Boolean).join('\nNext: '));
  return content;
}

async function follow() {
  try {
    const state = await ask('state');
    if (state.problem) throw new Error(state.problem);
    if (state.doing === 'ready') return begin(await ask('points'));
    tell(state);
    setTimeout(follow, POLL);
  } catch (error) {
    part('doing').textContent = error.message;
    part('progress').hidden = true;
  }
}

let begun = {}; // the step that is being done

function tell({ doing, done, total }) {
  const now = performance.now() / 1000;
  // The first images waited for processes to start, which says nothing of the rate.
  if (begun.doing !== doing || !begun.done) begun = { doing, done, now, last: done };
  if (done > begun.last) Object.assign(begun, { last: done, seconds: ((now - begun.now) / (done - begun.done)) * (total - done) });
  const { seconds } = begun;
  const long = seconds > 90 ? `${Math.round(seconds / 60)} min` : `${5 * Math.ceil(seconds / 5)} s`;
  const share = doing === 'layout' ? `${Math.round((100 * done) / total)} %` : `${done.toLocaleString('en')} of ${some(total, 'image')}`;
  part('doing').textContent = !total ? `${STEPS[doing]} …` : `${STEPS[doing]}: ${share}${seconds && done >= total / 10 ? `, about ${long} left` : ''}`;
  Object.assign(part('progress'), { hidden: !total, max: total, value: done });
}

const id = (i) => points.ids.slice(64 * i, 64 * i + 64);
const thumbnail = (i) => `../thumb/${points.rows[i]}?${number}`;

function begin(answer) {
  points = answer;
  ({ number } = points);
  document.querySelector('main').ariaBusy = 'false';
  if (!points.rows.length) throw new Error('There are no images yet: add some on the project’s page.');
  part('making').hidden = true;
  part('stage').hidden = part('side').hidden = false;
  const [x, y] = [points.x, points.y].map((values) => Float32Array.from(values, (value) => value / 10000));
  plot = new Plot(part('canvas'), { x, y }, thumbnail, { hover, open: (i) => window.open(`../../image/${id(i)}`, '_blank', 'noopener'), lasso: (images) => { lasso = new Set(images); choose(); } });
  plot.rings = new Set(points.issues);
  part('colour').append(...points.colours.map(({ name }) => new Option(name)));
  part('issues-part').hidden = !points.issues.length;
  part('issues-text').textContent = `Only doubtful labels (${points.issues.length.toLocaleString('en')})`;
  recolour();
}

function hue({ name, values }, at) {
  if (at === values.length) return GREY;
  if (name === 'Right or wrong') return values[at] === 'wrong' ? HUES[1] : HUES[0];
  return `color-mix(in oklab, ${HUES[at % HUES.length]}, ${MIXED[Math.floor(at / HUES.length) % MIXED.length]})`;
}

function recolour() {
  const colour = points.colours[part('colour').selectedIndex];
  const names = [...colour.values, colour.none];
  plot.of = colour.of.map((at) => (at < 0 ? colour.values.length : at));
  plot.colours = names.map((_, at) => hue(colour, at));
  const counts = names.map(() => 0);
  for (const at of plot.of) counts[at] += 1;
  part('legend').replaceChildren(...names.map((name, at) => entry(name, at, counts[at])).filter((_, at) => counts[at]));
  clear();
}

function entry(name, at, count) {
  const dot = make('canvas', { width: 24, height: 24 });
  const brush = Object.assign(dot.getContext('2d'), { fillStyle: plot.colours[at] });
  brush.arc(12, 12, 11, 0, 2 * Math.PI);
  brush.fill();
  const button = make('button', { type: 'button', ariaPressed: 'false', onclick: () => {
    if (!pressed.delete(at)) pressed.add(at);
    button.ariaPressed = String(pressed.has(at));
    choose();
  } }, dot, make('span', { textContent: name }), make('small', { textContent: count.toLocaleString('en') }));
  return button;
}

function choose() {
  const isDoubt = (i) => !part('issues').checked || plot.rings.has(i);
  const isIn = (i) => (!pressed.size || pressed.has(plot.of[i])) && isDoubt(i) && (!lasso || lasso.has(i));
  plot.faded = Uint8Array.from(plot.of, (_, i) => !isIn(i));
  const isNarrowed = lasso || pressed.size || part('issues').checked;
  selected = isNarrowed ? points.rows.map((_, i) => i).filter((i) => !plot.faded[i]) : [];
  part('grid').disabled = !selected.length || selected.length > MAX_SELECTED;
  part('similar').disabled = !selected.length;
  part('clear').disabled = !isNarrowed;
  hover(-1);
  plot.paint();
}

function clear() {
  lasso = null;
  pressed.clear();
  part('issues').checked = false;
  for (const button of part('legend').children) button.ariaPressed = 'false';
  choose();
}

function hover(i) {
  part('card').hidden = i < 0;
  const few = selected.length > MAX_SELECTED ? `\nThe grid opens at most ${some(MAX_SELECTED, 'image')}.` : '';
  part('said').textContent = part('clear').disabled ? `${some(plot.count, 'image')}. To select some, use the lasso or the list.` : `${some(selected.length, 'image')} selected.${few}`;
  if (i < 0) return;
  const known = Object.fromEntries(points.colours.map(({ name, values, of, none }) => [name, values[of[i]] ?? none]));
  const answer = known.Prediction ? `\nModel: ${known.Prediction}${known['Right or wrong'] === 'wrong' ? ' (wrong)' : ''}` : '';
  const text = `${known.Label}${answer}${plot.rings.has(i) ? '\nThe label is doubtful.' : ''}`;
  part('picture').src = thumbnail(i);
  part('said').textContent = part('caption').textContent = text;
  const [x, y] = plot.place(i);
  const { offsetWidth, offsetHeight, style } = part('card');
  style.left = `${Math.max(4, x + 30 + offsetWidth < plot.width ? x + 30 : x - 30 - offsetWidth)}px`;
  style.top = `${Math.max(4, Math.min(plot.height - offsetHeight - 4, y - offsetHeight / 2))}px`;
}

async function openGrid() {
  try {
    await ask('../selection', { ids: selected.map(id), where: 'on the map', window: window_ });
    location.assign('../grid/#scope=selection');
  } catch (error) {
    part('said').textContent = error.message;
  }
}

// Sort the grid by likeness to the image in the middle of the selection.
function openSimilar() {
  const [x, y] = [plot.x, plot.y].map((values) => selected.reduce((sum, i) => sum + values[i] / selected.length, 0));
  const far = (i) => Math.hypot(plot.x[i] - x, plot.y[i] - y);
  const middle = selected.reduce((best, i) => (far(i) < far(best) ? i : best));
  location.assign(`../#${new URLSearchParams({ scope: 'all', sort: 'like', like: points.rows[middle] })}`);
}

// The view as it is, at twice the size, with its legend below.
function save() {
  const entries = [...part('legend').children].slice(0, 40);
  const columns = Math.max(1, Math.floor(plot.width / 200));
  const height = plot.height + 24 + 24 * Math.ceil(entries.length / columns);
  const picture = make('canvas', { width: 2 * plot.width, height: 2 * height });
  const context = picture.getContext('2d');
  plot.draw(context, 2);
  Object.assign(context, { globalCompositeOperation: 'destination-over', fillStyle: plot.paper });
  context.fillRect(0, 0, plot.width, height);
  Object.assign(context, { globalCompositeOperation: 'source-over', font: '14px system-ui, sans-serif' });
  entries.forEach((button, at) => {
    const [left, top] = [24 + 200 * (at % columns), plot.height + 14 + 24 * Math.floor(at / columns)];
    context.drawImage(button.children[0], left, top, 12, 12);
    context.fillStyle = plot.ink;
    context.fillText(button.children[1].textContent, left + 20, top + 11, 170);
  });
  picture.toBlob((content) => make('a', { href: URL.createObjectURL(content), download: 'map.png' }).click());
}

function toggleLasso() {
  plot.isLasso = !plot.isLasso;
  part('lasso').ariaPressed = String(plot.isLasso);
  part('canvas').classList.toggle('drawing', plot.isLasso);
}

const ACTS = { lasso: toggleLasso, in: () => plot.zoom(1.5), out: () => plot.zoom(1 / 1.5), fit: () => plot.fit(), grid: openGrid, similar: openSimilar, clear, save };
for (const [name, act] of Object.entries(ACTS)) part(name).addEventListener('click', act);
part('colour').addEventListener('change', recolour);
part('issues').addEventListener('change', choose);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot?.paint());
document.addEventListener('visibilitychange', async () => {
  // Another tab may have read the project again, whose rows are others.
  if (!document.hidden && plot && (await ask('state')).number !== number) location.reload();
});
follow();

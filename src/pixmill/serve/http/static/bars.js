// A bar for each class.

import { make, part } from './elements.js';
import { said } from './labels.js';
import { visit } from './visit.js';
import { percent } from './words.js';

const MAX_FOLDED = 8; // bars shown at first

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const rows = new Map(); // class to bar

// Show the probabilities of an answer, highest first; without one, empty bars in the order of the classes.
export function bars(answer) {
  const { model, unfolded } = visit;
  const probabilities = answer?.probabilities ?? null;
  const each = new Map(answer?.labels?.map((one) => [one.label, one]));
  const order = probabilities ? [...model.classes].sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0)) : model.classes;
  const shown = unfolded ? order : order.slice(0, MAX_FOLDED);
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
    const one = each.get(name);
    fresh[at].classList.toggle('first', one ? one.answer : probabilities !== null && at === 0);
    fresh[at].classList.toggle('certain', one !== undefined && one.sure !== false);
    if (model.labels) fresh[at].style.setProperty('--threshold', model.labels[name].threshold);
    fresh[at].style.setProperty('--p', p);
    main.querySelector('.value').textContent = one ? said(one) : probabilities ? percent(p) : '';
    if (main instanceof HTMLButtonElement) main.disabled = !probabilities || !visit.chosen.file;
    const moved = (before.get(fresh[at]) ?? fresh[at].offsetTop) - fresh[at].offsetTop;
    if (moved && !calm.matches) fresh[at].animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], { duration: 450, easing: 'cubic-bezier(.2,.8,.2,1)' });
  });
  const threshold = model.threshold ?? null;
  list.classList.toggle('each', each.size > 0);
  list.classList.toggle('marked', probabilities !== null && threshold !== null);
  if (threshold !== null) list.style.setProperty('--threshold', threshold);
  part('all').hidden = model.classes.length <= MAX_FOLDED || !probabilities;
  part('all').textContent = unfolded ? 'Show fewer' : `Show all ${model.classes.length}`;
  part('all').setAttribute('aria-expanded', String(unfolded));
}

// Mark the bar of the class whose heatmap is shown; null: none.
export function press(label) {
  for (const [name, { firstChild: main }] of rows) if (main instanceof HTMLButtonElement) main.setAttribute('aria-pressed', String(name === label));
}

// Remove the bars of the previous model.
export const clear = () => rows.clear();

function row(name) {
  if (rows.has(name)) return rows.get(name);
  const inside = [make('span', { className: 'name' }, name), make('span', { className: 'track' }, make('span', { className: 'bar' })), make('span', { className: 'value' })];
  const main = visit.model.explains
    ? make('button', { type: 'button', title: visit.model.labels ? `Where did it look for ‘${name}’?` : `Where does it look like ‘${name}’?`, data: { name }, aria: { pressed: 'false' } }, ...inside)
    : make('div', {}, ...inside);
  const made = make('li', {}, main);
  rows.set(name, made);
  return made;
}

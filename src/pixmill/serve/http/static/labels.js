// A model that answers yes or no for each of several labels: its words, and what a person answers instead.

import { make } from './elements.js';
import { either, percent } from './words.js';

const quoted = (found) => either(found.map(({ label }) => `‘${label}’`)).replace(/ or (?=‘[^‘]*$)/, ' and ');

export const invitation = ({ classes, explains }) => ['Which labels does it have?', `The model says yes or no for each of ${classes.length} labels${explains ? ', and shows where it looked' : ''}.`];

// Return the labels that the image has; a question mark is after those that are not sure.
export function title({ labels, label }) {
  const unsure = ({ sure }) => (sure === false ? '?' : '');
  const found = labels.filter(({ answer }) => answer).map((one) => one.label + unsure(one));
  return found.length ? found.join(', ') : label + unsure({ sure: !labels.some(({ sure }) => sure === false) });
}

export function note({ labels, unlike }) {
  if (unlike) return 'This image is unlike those the model was trained on, so its answers are unreliable.';
  const unsure = labels.filter(({ sure }) => sure === false);
  const untested = labels.filter(({ sure }) => sure === null);
  const notes = [
    unsure.length && `Not sure about ${quoted(unsure)}: check yourself.`,
    untested.length && `Too few images show which answers for ${quoted(untested)} are reliable.`,
    unsure.length + untested.length < labels.length && `${unsure.length + untested.length ? 'The other' : 'All'} answers are sure: such answers reached the target accuracy on images like those it was trained on.`,
  ];
  return notes.filter(Boolean).join(' ');
}

// Return what stands beside the bar of a label: the probability of yes, and the answer.
export const said = ({ answer, sure, probability }) => `${percent(probability)}: ${answer ? 'yes' : 'no'}${sure === false ? '?' : ''}`;

// Return when the answer to each label is yes, and sure.
export const limits = (labels) => Object.entries(labels).map(([label, { threshold, sure_yes: yes, sure_no: no }]) => {
  const sure = [yes !== null && `from ${percent(yes)}`, no !== null && `up to ${percent(no)}`].filter(Boolean).join(' or ');
  return make('p', {}, `${label}: yes from ${percent(threshold)}, ${sure ? `sure ${sure}` : 'never sure'}`);
});

// Return a line for each label, with buttons for yes and no, and buttons to save; labels without an answer stay open.
export function ticks(labels, given, onSave) {
  const save = make('button', { type: 'button', className: 'primary', disabled: !given.size }, 'Save');
  const none = make('button', { type: 'button' }, 'none of these');
  const updates = [];
  const set = (label, has) => {
    if (given.get(label) === has) given.delete(label);
    else given.set(label, has);
    updates.forEach((update) => update());
    save.disabled = !given.size;
  };
  const button = (label, has, text) => {
    const made = make('button', { type: 'button' }, text);
    const update = () => made.setAttribute('aria-pressed', String(given.get(label) === has));
    updates.push(update);
    update();
    made.addEventListener('click', () => set(label, has));
    return made;
  };
  const lines = labels.map(({ label, answer }) => make('div', { className: 'tick', role: 'group', aria: { label } }, make('span', {}, label, make('span', { className: 'faint' }, ` predicted ${answer ? 'yes' : 'no'}`)), button(label, true, 'yes'), button(label, false, 'no')));
  none.addEventListener('click', () => {
    given.clear();
    for (const { label } of labels) set(label, false);
  });
  save.addEventListener('click', () => onSave(Object.fromEntries(given)));
  return [...lines, save, none];
}

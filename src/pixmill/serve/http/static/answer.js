// The answer to the chosen image.

import { bars } from './bars.js';
import { make, part, set } from './elements.js';
import { picture } from './picture.js';
import { visit } from './visit.js';
import { count, either, percent, spoken } from './words.js';

export function show() {
  const { chosen, items, model } = visit;
  const state = !chosen ? 'empty' : chosen.state !== 'done' ? chosen.state : chosen.answer.reason ? 'broken' : 'answered';
  const unsure = state === 'answered' && chosen.answer.sure === false;
  part('stage').className = `stage ${state}${unsure ? ' unsure' : ''}`;
  headline(state, unsure);
  bars(state === 'answered' ? chosen.answer.probabilities : null);
  picture();
  part('again').hidden = state !== 'failed';
  part('wrong').hidden = !(state === 'answered' && model.feedback && chosen.file && !chosen.told);
  part('told').textContent = chosen?.told ?? '';
  part('look').hidden = !(state === 'answered' && model.explains && chosen.file);
  set('session-title', items.length > 1 ? count(items.length, 'image') : '');
  part('session').hidden = items.length < 2;
}

function headline(state, unsure) {
  const { chosen, model } = visit;
  const told = chosen?.answer;
  const from = model.threshold === null || model.threshold === undefined ? '' : percent(model.threshold);
  const names = either(model.classes);
  const [title, note] = {
    empty: [names.length <= 64 ? `${names}?` : 'What is in your image?', `The model answers with one of ${model.classes.length} classes and its confidence${model.explains ? ', and shows where it looked' : ''}.`],
    waiting: ['Looking…', chosen?.wait ? `The server is busy. Trying again in ${count(chosen.wait, 'second')}.` : ''],
    failed: [chosen?.file ? 'No answer' : 'No image', chosen?.error?.message],
    broken: ['Not readable', told?.message ?? `The file is not an intact image (${told?.reason}).`],
    answered: [unsure ? `${told.label}?` : told?.label, told?.unlike ? 'This image is unlike those the model was trained on, so its answer is unreliable.' : unsure ? `Below ${from}, this model is wrong too often to rely on: check for yourself.` : told?.sure ? `From ${from} on, this model\u2019s answers reached its target accuracy on images like those it was trained on.` : 'This model was not shown to be reliable at any confidence, so it calls no answer sure: check for yourself.'],
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
  part('verdict').textContent = told.unlike ? 'Unlike the training images' : unsure ? 'Not sure' : 'Sure';
}

// Return what a screen reader says of an item.
export function spell({ error, answer: told, name }) {
  if (error) return `No answer for ${name}. ${error.message}`;
  if (told.reason) return `${name} cannot be read. ${told.message ?? told.reason}`;
  return `${told.label}, ${spoken(told.confidence)} confidence${told.unlike ? ', unlike the training images' : told.sure === false ? ', not sure' : ''}.`;
}

part('all').addEventListener('click', () => {
  visit.unfolded = !visit.unfolded;
  show();
});

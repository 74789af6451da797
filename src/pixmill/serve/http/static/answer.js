// The prediction of the selected image.

import { bars } from './bars.js';
import { make, part } from './elements.js';
import * as labels from './labels.js';
import { picture } from './picture.js';
import { visit } from './visit.js';
import { either, percent, spoken } from './words.js';

const { title: site } = document;

export function show() {
  const { chosen, model } = visit;
  const state = !chosen ? 'empty' : chosen.state !== 'done' ? chosen.state : chosen.answer.reason ? 'broken' : 'answered';
  const unsure = state === 'answered' && chosen.answer.sure === false;
  part('stage').className = `stage ${state}${unsure ? ' unsure' : ''}`;
  headline(state, unsure);
  bars(state === 'answered' ? chosen.answer : null);
  picture();
  part('again').hidden = state !== 'failed' || chosen.live;
  part('wrong').hidden = !(state === 'answered' && model.feedback && chosen.file && (!chosen.message || chosen.kept));
  part('wrong').textContent = chosen?.kept ? 'Change the correction' : 'This is wrong';
  part('message').textContent = chosen?.message ?? '';
  part('look').hidden = !(state === 'answered' && model.explains && chosen.file);
}

function headline(state, unsure) {
  const { chosen, model } = visit;
  const answer = chosen?.answer;
  const from = model.threshold === null || model.threshold === undefined ? '' : percent(model.threshold);
  const misread = !model.labels && (model.cautions ?? []).length > (from ? 0 : 1) ? ' Do not read its confidence as the probability of being correct.' : '';
  const names = either(model.classes);
  const several = model.labels !== undefined && model.labels !== null;
  const [title, note] = {
    empty: several ? labels.invitation(model) : [names.length <= 64 ? `${names}?` : 'Which class is it?', `The model predicts one of ${model.classes.length} classes with its confidence${model.explains ? ', and shows where it looked' : ''}.`],
    waiting: ['Looking…', chosen?.wait ?? ''],
    failed: [chosen?.file ? 'No answer' : 'No image', chosen?.error?.message],
    broken: ['Not readable', answer?.message ?? `The file is not an intact image (${answer?.reason}).`],
    answered: several && answer?.labels ? [labels.title(answer), labels.note(answer)] : [unsure ? `${answer.label}?` : answer?.label, answer?.unlike ? 'This image is unlike those the model was trained on, so its prediction is unreliable.' : unsure ? `Below ${from}, this model is wrong too often: check its prediction yourself.` : answer?.sure ? `In its tests, on images like those it was trained on, answers of ${from} confidence or more were reliable.` : 'Too few images show from which confidence on this model is reliable, so it calls no prediction sure: check it yourself.'],
  }[state];
  const heading = part('title');
  if (heading.textContent !== title || state === 'answered') heading.replaceChildren(make('span', {}, title)); // a new element restarts the animation
  heading.classList.toggle('long', title.length > 16);
  part('note').textContent = state === 'answered' ? note + misread : note;
  part('figure').hidden = state !== 'answered';
  document.title = state === 'answered' ? `${answer.label} ${percent(answer.confidence)} · ${site}` : site;
  if (state !== 'answered') return;
  part('confidence').textContent = `${percent(answer.confidence)} confidence${several ? ' in the least certain answer' : ''}`;
  part('verdict').hidden = answer.sure === null;
  part('verdict').textContent = answer.unlike ? 'Unlike the training images' : unsure ? 'Not sure' : 'Sure';
}

// Return the text for screen readers.
export function spell({ error, answer, name }) {
  if (error) return `No answer for ${name}. ${error.message}`;
  if (answer.reason) return `${name} cannot be read. ${answer.message ?? answer.reason}`;
  return `${answer.label}, ${spoken(answer.confidence)} confidence${answer.unlike ? ', unlike the training images' : answer.sure === false ? ', not sure' : ''}.`;
}

part('all').addEventListener('click', () => {
  visit.unfolded = !visit.unfolded;
  show();
});

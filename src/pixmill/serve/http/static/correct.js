// "This is wrong": choose the right class, and send it as feedback.

import { show } from './answer.js';
import * as api from './api.js';
import { make, part } from './elements.js';
import { ticks } from './labels.js';
import { settle, visit } from './visit.js';

const MAX_CHOICES = 12; // classes shown at a time

const given = new Map(); // of several labels, the answers of a person

// Open or close the choice of a class.
export function fold(open) {
  part('correct').hidden = !open;
  part('wrong').setAttribute('aria-expanded', String(open));
  if (!open) return;
  part('find').value = '';
  given.clear();
  part('correct-title').textContent = visit.model.labels ? 'Which labels does it have?' : 'Which class is right?';
  part('open').hidden = !visit.model.labels;
  part('none').hidden = !part('open').hidden;
  part('find-line').hidden = visit.model.classes.length <= MAX_CHOICES + 1;
  choices();
  nearest();
  (part('find-line').hidden ? part('choices').querySelector('button') : part('find')).focus();
}

function choices() {
  const wanted = part('find').value.trim().toLowerCase();
  const { answer: { label: predicted, labels, probabilities }, kept } = visit.chosen;
  part('choices').className = labels ? 'ticks' : 'chips';
  if (labels) return part('choices').replaceChildren(...ticks(labels.filter(({ label }) => label.toLowerCase().includes(wanted)), given, correct));
  const likely = visit.model.classes.filter((name) => kept || name !== predicted).sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0));
  const found = likely.filter((name) => name.toLowerCase().includes(wanted)).slice(0, MAX_CHOICES);
  const chip = (text, label) => {
    const made = make('button', { type: 'button' }, text);
    made.addEventListener('click', () => correct(label));
    return made;
  };
  return part('choices').replaceChildren(...found.map((name) => chip(name === predicted ? `${name}, as predicted` : name, name)), chip('none of these', ''));
}

// Show the training images most similar to the image, if the server has them.
async function nearest() {
  const item = visit.chosen;
  part('nearest').hidden = true;
  item.nearest ??= await api.nearest(item.file, { signal: visit.stop.signal }).catch(() => null);
  if (item !== visit.chosen || !item.nearest?.length) return;
  part('nearest-images').replaceChildren(...item.nearest.map(({ id, label, similarity, thumbnail }) => {
    const image = make('img', { src: thumbnail, alt: `Training image labelled ${label}` });
    return make('li', { title: id }, image, make('span', {}, label), make('code', {}, id.slice(0, 8)), make('span', {}, similarity.toFixed(2)));
  }));
  part('nearest').hidden = false;
}

async function correct(label) {
  const item = visit.chosen;
  const enable = (now) => { for (const button of part('choices').querySelectorAll('button')) button.disabled = !now; };
  part('message').textContent = 'Saving…';
  enable(false);
  try {
    item.message = await api.correct(item, label, { signal: visit.stop.signal });
    if (item !== visit.chosen) return;
    fold(false);
    show();
    settle();
  } catch (error) {
    if (item !== visit.chosen) return;
    part('message').textContent = `Not saved. ${error.message}`;
    enable(true);
  }
}

part('wrong').addEventListener('click', () => fold(part('correct').hidden));
part('find').addEventListener('input', choices);

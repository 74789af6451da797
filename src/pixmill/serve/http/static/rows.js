// A table of all answers on the page.

import { make, part, set } from './elements.js';
import { visit } from './visit.js';
import { count, percent, verdict } from './words.js';

const MANY = 20; // images from which the table is open at first

// Add the row of an image.
export function list(item, onPick) {
  const button = make('button', { type: 'button', title: item.name }, item.name);
  button.addEventListener('click', () => onPick(item));
  item.row = make('tr', {}, make('td', {}, button), ...Array.from({ length: 3 }, () => make('td')));
  part('rows').append(item.row);
  if (visit.rows.length === MANY) part('listing').open = true;
}

// Show the prediction in the row.
export function fill(item) {
  const { answer, row: { children: [, predicted, confidence, words] } } = item;
  const known = answer && !answer.reason;
  predicted.textContent = known ? answer.label : '';
  confidence.textContent = known ? percent(answer.confidence) : '';
  words.textContent = verdict(item);
}

// Say how many images there are.
export function tally() {
  const { rows } = visit;
  const unread = rows.filter(({ answer }) => answer?.reason).length;
  set('session-title', `${count(rows.length, 'image')}${unread ? `, ${unread.toLocaleString('en')} not readable` : ''}`);
  part('session').hidden = rows.length < 2;
}

// A table of all answers on the page.

import { make, part } from './elements.js';
import { visit } from './visit.js';
import { percent, verdict } from './words.js';

const MANY = 20; // images from which the table is open at first

const cell = (...content) => make('td', {}, ...content);

// Show an answer in its row; a new row comes last.
export function list(item, onPick) {
  const { answer, name } = item;
  const known = answer && !answer.reason;
  const first = item.row ? item.row === part('rows').firstChild : !part('rows').firstChild;
  const button = make('button', { type: 'button', tabIndex: first ? 0 : -1, title: name, aria: { current: String(item === visit.chosen) } }, name);
  button.addEventListener('click', () => onPick(item));
  const row = make('tr', {}, cell(button), cell(known ? answer.label : ''), cell(known ? percent(answer.confidence) : ''), cell(verdict(item)));
  if (item.row) item.row.replaceWith(row);
  else part('rows').append(row);
  item.row = row;
  if (part('rows').childElementCount === MANY) part('listing').open = true;
}

// The table is one stop of the Tab key; arrows lead through its rows.
part('rows').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 'nextSibling', ArrowUp: 'previousSibling' }[event.key];
  if (!step) return;
  event.preventDefault();
  event.target.closest('tr')[step]?.querySelector('button').focus();
});

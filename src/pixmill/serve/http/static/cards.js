// A card for each image in this tab.

import { make } from './elements.js';
import { cut, extension, percent, verdict } from './words.js';

export function card(item, onPick) {
  const button = make('button', { type: 'button', title: item.name }, make('span', { className: 'thumb' }), make('span', { className: 'name' }, '…'), make('span', { className: 'file faint' }, cut(item.name, 32)));
  button.addEventListener('click', () => onPick(item));
  return make('li', {}, button);
}

let last = Promise.resolve();

// Show a thumbnail, after those before: a hundred photographs at full size would fill the memory.
export function shrink({ answer, card: { firstChild: { firstChild: place } }, file }) {
  const name = () => { place.textContent = extension(file.name) || '?'; }; // the browser cannot read it
  if (answer?.reason) name();
  else last = last.then(() => draw(place, file)).catch(name);
}

async function draw(place, file) {
  const whole = await createImageBitmap(file, { resizeWidth: 160, resizeQuality: 'medium' });
  const canvas = make('canvas', { width: whole.width, height: whole.height });
  canvas.getContext('2d').drawImage(whole, 0, 0);
  whole.close();
  place.replaceChildren(canvas);
}

// Show the prediction on the card.
export function label(item) {
  const { answer, card: { firstChild: button }, error } = item;
  const [text, kind] = error || answer.reason ? [verdict(item), 'bad'] : [`${answer.label} ${percent(answer.confidence)}`, answer.sure === false ? 'warn' : ''];
  button.className = kind;
  button.querySelector('.name').textContent = kind === 'warn' ? `${text}, ${verdict(item)}` : text;
}

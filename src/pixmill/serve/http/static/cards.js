// A card for each image in this tab.

import { make } from './elements.js';
import { cut, extension, percent, verdict } from './words.js';

export function card(item, onPick) {
  const button = make('button', { type: 'button', title: item.name }, make('span', { className: 'thumb' }), make('span', { className: 'name' }, '…'), make('span', { className: 'file faint' }, cut(item.name, 32)));
  button.addEventListener('click', () => onPick(item));
  return make('li', {}, button);
}

let last = Promise.resolve();

// Show a thumbnail, once those before are there: a hundred photographs at full size would fill the memory.
export function shrink(item) {
  last = last.then(() => draw(item));
}

async function draw({ answer, card, file }) {
  if (!card || !file) return;
  const place = card.querySelector('.thumb');
  try {
    if (answer?.reason) throw new Error(answer.reason); // the browser might try for long
    const whole = await createImageBitmap(file, { resizeWidth: 160, resizeQuality: 'medium' });
    const canvas = make('canvas', { width: whole.width, height: whole.height });
    canvas.getContext('2d').drawImage(whole, 0, 0);
    whole.close();
    place.replaceChildren(canvas);
  } catch {
    place.textContent = extension(file.name) || '?'; // the browser cannot read it
  }
}

// Show the prediction on the card.
export function label({ answer, card: { firstChild: button }, error }) {
  const words = verdict({ answer, error });
  const failed = Boolean(error || answer.reason);
  const doubtful = !failed && answer.sure === false;
  button.classList.toggle('bad', failed);
  button.classList.toggle('warn', doubtful);
  const text = failed ? words : `${answer.label} ${percent(answer.confidence)}`;
  button.querySelector('.name').textContent = doubtful ? `${text}, ${words}` : text;
}

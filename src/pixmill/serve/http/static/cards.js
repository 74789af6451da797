// A card for each image of this visit.

import { make } from './elements.js';
import { extension, percent } from './words.js';

export function card(item, onPick) {
  const button = make('button', { type: 'button', title: item.name }, make('span', { className: 'thumb' }), make('span', { className: 'name' }, '…'));
  button.addEventListener('click', () => onPick(item));
  return make('li', {}, button);
}

// Put a small copy on the card, as a hundred photographs at full size would fill the memory.
export async function shrink({ card: { firstChild: { firstChild: place } }, file }) {
  try {
    const whole = await createImageBitmap(file, { resizeWidth: 160, resizeQuality: 'medium' });
    const canvas = make('canvas', { width: whole.width, height: whole.height });
    canvas.getContext('2d').drawImage(whole, 0, 0);
    whole.close();
    place.append(canvas);
  } catch {
    place.textContent = extension(file.name) || '?'; // the browser cannot read it
  }
}

// Write the answer on the card.
export function label({ answer: told, card: { firstChild: button }, error }) {
  const [text, kind] = error ? ['no answer', 'bad'] : told.reason ? ['not readable', 'bad'] : [`${told.label} ${percent(told.confidence)}`, told.sure === false ? 'warn' : ''];
  button.className = kind;
  button.lastChild.textContent = kind === 'warn' ? `${text}, ${told.unlike ? 'unlike the training images' : 'not sure'}` : text;
}

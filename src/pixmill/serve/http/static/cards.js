// A card for each image in this tab.

import { make } from './elements.js';
import { cut, extension, percent } from './words.js';

export function card(item, onPick) {
  const button = make('button', { type: 'button', title: item.name }, make('span', { className: 'thumb' }), make('span', { className: 'name' }, '…'), make('span', { className: 'file faint' }, cut(item.name, 32)));
  button.addEventListener('click', () => onPick(item));
  return make('li', {}, button);
}

// Show a thumbnail: a hundred photographs at full size would fill the memory.
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

// Show the prediction on the card.
export function label({ answer, card: { firstChild: button }, error }) {
  const [text, kind] = error ? ['no answer', 'bad'] : answer.reason ? ['not readable', 'bad'] : [`${answer.label} ${percent(answer.confidence)}`, answer.sure === false ? 'warn' : ''];
  button.className = kind;
  button.querySelector('.name').textContent = kind === 'warn' ? `${text}, ${answer.unlike ? 'unlike the training images' : 'not sure'}` : text;
}

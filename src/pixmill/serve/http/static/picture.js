// The image, and its heatmap of where the model looked.

import * as api from './api.js';
import { press } from './bars.js';
import { make, part, set } from './elements.js';
import { say, visit } from './visit.js';
import { cut, extension, size } from './words.js';

const MAX_PIXELS = 50_000_000; // as models read; browsers would fill the memory

// Created here, since HTML does not allow images without a source.
part('frame').append(make('img', { id: 'image', hidden: true }), make('img', { id: 'heat', alt: '', hidden: true }));

export function picture() {
  const { chosen } = visit;
  const image = part('image');
  part('invite').hidden = chosen !== null;
  if (chosen?.file) chosen.preview ??= URL.createObjectURL(chosen.file);
  if (!chosen?.preview || chosen.invisible) {
    image.hidden = true;
    image.removeAttribute('src');
    set('unseen', chosen && unseen(chosen));
  } else if (image.src !== chosen.preview) {
    set('unseen', '');
    image.hidden = true; // until its size is known
    image.src = chosen.preview;
    image.alt = `Your image, ${chosen.name}`;
  }
  heat();
}

function unseen({ error, answer, file, live, url, name }) {
  if (live) return '';
  if (error || answer?.reason) return 'No image to show.';
  if (!file) return `Fetching it from ${new URL(url).host}…`;
  return `Your browser cannot show ${extension(name) || 'these'} images.`;
}

part('image').addEventListener('error', ({ target }) => {
  if (visit.chosen?.preview !== target.src) return;
  visit.chosen.invisible = true;
  picture();
});
part('image').addEventListener('load', ({ target }) => {
  if (visit.chosen?.preview !== target.src) return;
  target.hidden = visit.chosen.invisible = target.naturalWidth * target.naturalHeight > MAX_PIXELS;
  picture();
});

function caption() {
  const { chosen, model } = visit;
  if (!chosen) return api.privacy(model);
  const { complete, naturalWidth: width, naturalHeight: height } = part('image');
  const name = chosen.note ?? cut(chosen.url?.replace(/^https?:\/\//, '') ?? chosen.name, 40);
  const sides = chosen.preview && !chosen.invisible && complete && width ? `${width} × ${height}` : '';
  return [name, sides, chosen.file ? size(chosen.file.size) : ''].filter(Boolean).join(' · ');
}

export async function explain(label) {
  const item = visit.chosen;
  item.heat = label;
  item.trouble = null;
  heat();
  if (label === null || item.heats.has(label)) return;
  try {
    const { signal } = visit.stop;
    item.heats.set(label, URL.createObjectURL(await api.explain(item.file, label, { signal })));
    if (item.heat === label) say(`The image now shows where the model looked for ${label}.`);
  } catch (error) {
    if (item.heat === label) Object.assign(item, { heat: null, trouble: error.message });
  }
  if (item === visit.chosen) heat();
}

function heat() {
  const { chosen } = visit;
  const label = chosen?.heat ?? null;
  const url = chosen?.heats.get(label);
  const image = part('heat');
  part('frame').classList.toggle('searching', label !== null && !url);
  part('frame').classList.toggle('heated', Boolean(url));
  if (url && image.src !== url) image.src = url;
  image.hidden = !image.getAttribute('src');
  image.alt = url ? `Where the model looked for ${label}` : '';
  part('look').setAttribute('aria-pressed', String(label !== null));
  press(label);
  part('caption').classList.toggle('legend', Boolean(url));
  const text = url ? `Evidence for ‘${label}’, strongest in red. Click a bar for another ${visit.model.labels ? 'label' : 'class'}.` : label === null ? chosen?.trouble : 'Finding where the model looked…';
  part('caption').textContent = text || caption();
}

part('look').addEventListener('click', () => explain(visit.chosen.heat ? null : part('bars').querySelector('button').dataset.name)); // the most probable one
part('bars').addEventListener('click', ({ target }) => {
  const name = target.closest('button')?.dataset.name;
  if (name !== undefined) explain(visit.chosen.heat === name ? null : name);
});

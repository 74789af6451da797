// How far many images are.

import { part, set } from './elements.js';
import { say } from './visit.js';
import { about, count } from './words.js';

const FEW = 8; // images for which no bar is shown

let total = 0;
let done = 0;
let start;

export function expect() {
  if (!total) start = performance.now();
  total += 1;
  draw();
}

export function advance() {
  done += 1;
  draw();
  if (done < total) return;
  if (total > FEW) say(`${count(total, 'image')} done.`);
  reset();
}

export function reset() {
  total = 0;
  done = 0;
  draw();
}

function draw() {
  part('progress').hidden = total <= FEW;
  Object.assign(part('bar'), { max: total || 1, value: done });
  const seconds = (performance.now() - start) / 1000;
  const left = seconds > 1 && done ? `, ${about(seconds / done * (total - done))} left` : '';
  set('left', `${done.toLocaleString('en')} of ${count(total, 'image')}${left}`);
}

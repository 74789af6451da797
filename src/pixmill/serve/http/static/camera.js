// The camera: pictures as images like any other, or an answer every second.

import { show, spell } from './answer.js';
import * as api from './api.js';
import { make, part } from './elements.js';
import { say, visit, warn } from './visit.js';

const PAUSE = 1000; // milliseconds from answer to answer
const REFUSALS = { NotAllowedError: 'The camera is not allowed: allow it in the settings of your browser.', NotFoundError: 'There is no camera.' };

const video = make('video', { muted: true, playsInline: true, hidden: true, aria: { label: 'Camera' } });
let stream = null;
let timer = null; // of the next answer
let taking = false;
let number = 0; // of the last picture

// Show a stream; null: close the camera.
function use(next) {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = next;
  video.srcObject = next;
  video.hidden = part('filming').hidden = next === null;
  part('choosing').hidden = next !== null;
  watch(false);
}

async function open() {
  try {
    use(await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1280 } } }));
    await video.play();
  } catch (error) {
    use(null);
    return warn(REFUSALS[error.name] ?? `The camera cannot be used. ${error.message}`);
  }
  stream.getVideoTracks()[0].addEventListener('ended', () => use(null)); // it was unplugged
  warn('');
  return part('snap').focus();
}

async function picture() {
  const canvas = make('canvas', { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext('2d').drawImage(video, 0, 0);
  return new File([await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', 0.95); })], 'camera.jpg', { type: 'image/jpeg' });
}

function watch(isOn) {
  clearTimeout(timer);
  timer = isOn ? setTimeout(look) : null;
  part('watch').setAttribute('aria-pressed', String(isOn));
  if (isOn || !visit.chosen?.live) return;
  visit.chosen = null;
  show();
}

// Show an answer that is kept nowhere.
async function look() {
  const mine = timer;
  const item = { name: 'Camera', live: true, heats: new Map(), state: 'done' };
  try {
    item.answer = await api.predict(await picture(), { signal: visit.stop.signal });
  } catch (error) {
    Object.assign(item, { error, state: 'failed' });
  }
  if (mine !== timer) return;
  if (visit.chosen?.answer?.label !== item.answer?.label) say(spell(item));
  visit.chosen = item;
  show();
  timer = setTimeout(look, PAUSE);
}

// Close the camera, as another image was chosen.
export function leave() {
  if (taking) watch(false);
  else if (stream) use(null);
}

// Call `take` with each picture.
export function offer(take) {
  part('frame').append(video);
  part('film').hidden = !navigator.mediaDevices;
  video.addEventListener('click', (event) => event.stopPropagation());
  part('film').addEventListener('click', open);
  part('watch').addEventListener('click', () => watch(!timer));
  part('close').addEventListener('click', () => { use(null); part('film').focus(); });
  part('snap').addEventListener('click', async () => {
    const file = await picture();
    number += 1;
    taking = true;
    take([{ file, name: `camera-${number}.jpg` }]);
    taking = false;
  });
}

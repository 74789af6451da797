// The camera: pictures as images like any other, or an answer every second.

import { show, spell } from './answer.js';
import * as api from './api.js';
import { make, part } from './elements.js';
import { say, settle, visit, warn } from './visit.js';

const PAUSE = 1000; // milliseconds from answer to answer
const REFUSALS = { NotAllowedError: 'The camera is not allowed: allow it in the settings of your browser.', NotFoundError: 'There is no camera.' };

// Below the image in the frame: a picture that was taken covers it until the next one.
const video = make('video', { muted: true, playsInline: true, hidden: true, aria: { label: 'Camera' } });
let timer = null; // of the next answer
let number = 0; // of the last picture
let last = null; // the image that was chosen last

// Show the camera, or stop it.
function film(isOn) {
  video.hidden = part('filming').hidden = !isOn;
  part('choosing').hidden = isOn;
  if (isOn) return;
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  watch(false);
}

async function open(pick) {
  const { chosen } = visit;
  part('film').disabled = true;
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1280 } } });
    await video.play(); // from now on, there is a picture to take
  } catch (error) {
    film(false);
    return warn(REFUSALS[error.name] ?? `The camera cannot be used. ${error.message}`);
  } finally {
    part('film').disabled = false;
  }
  if (visit.chosen !== chosen) return film(false); // another image was given while the browser asked for permission
  video.srcObject.getVideoTracks()[0].addEventListener('ended', () => close(pick)); // it was unplugged
  pick(null);
  film(true);
  warn('');
  return settle();
}

function close(pick) {
  film(false);
  if (!visit.chosen && visit.rows.includes(last)) pick(last);
}

async function picture() {
  const canvas = make('canvas', { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext('2d').drawImage(video, 0, 0);
  return new File([await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', 0.95); })], 'camera.jpg', { type: 'image/jpeg' });
}

function watch(isOn) {
  clearTimeout(timer);
  timer = isOn ? setTimeout(look) : null;
  part('watch').textContent = isOn ? 'Stop' : 'Answer every second';
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

// Another image was chosen, or none: close the camera if it did not take the image.
export function leave(item) {
  last = item ?? last;
  part('snap').textContent = item ? 'Take another picture' : 'Take a picture';
  if (!video.hidden && item && !item.taken) film(false);
  else watch(false);
}

// Call `take` with each picture, and `pick` with the image to show.
export function offer(take, pick) {
  part('frame').prepend(video);
  part('film').hidden = !navigator.mediaDevices;
  video.addEventListener('click', (event) => event.stopPropagation());
  part('film').addEventListener('click', () => open(pick));
  part('watch').addEventListener('click', () => {
    const isOn = !timer;
    pick(null);
    watch(isOn);
  });
  part('close').addEventListener('click', () => { close(pick); settle(); });
  part('snap').addEventListener('click', async () => {
    if (visit.chosen && !visit.chosen.live) return pick(null);
    const file = await picture();
    number += 1;
    return take([{ file, name: `camera-${number}.jpg`, taken: true }]);
  });
}

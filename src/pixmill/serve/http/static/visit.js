// What the modules of the page share.

import { part, set } from './elements.js';

export const visit = {
  model: null, // what /v1/model tells
  items: [], // the images of this visit, newest first
  chosen: null, // the one on the page
  unfolded: false, // all bars are shown
  stop: new AbortController(), // ends what is under way, on starting over
};

// Tell a screen reader.
export const say = (text) => { part('live').textContent = text; };

export function warn(text) {
  set('alert', text);
  if (text) part('alert').scrollIntoView({ block: 'nearest' });
}

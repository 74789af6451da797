// State that the modules of the page share.

import { part, set } from './elements.js';

export const visit = {
  model: null, // response of /v1/model
  items: [], // images, newest first
  rows: [], // all images since the start, in the order of the table
  chosen: null, // the selected image
  unfolded: false, // whether all bars are shown
  stop: new AbortController(), // cancels requests on starting over
};

// Announce text to screen readers.
export const say = (text) => { part('live').textContent = text; };

export function warn(text) {
  set('alert', text);
  if (text) part('alert').scrollIntoView({ block: 'nearest' });
}

// Move the focus to the button for the next image.
export const settle = () => part(part('filming').hidden ? 'choose' : 'snap').focus();

// The ways in which images come: chosen, photographed, dropped, pasted, or by URL.

import { part } from './elements.js';
import { visit, warn } from './visit.js';
import { count, readUrl } from './words.js';

const MOST = 100; // images taken in one go

const images = (transfer) => [...transfer.files].map((file) => ({ file }));

// Call `take` with each lot of images, as {file} or {url}.
export function listen(take) {
  const give = (given) => {
    warn(given.length > MOST ? `Only the first ${MOST} of ${count(given.length, 'image')} were taken. For a whole folder, run: pixmill predict FOLDER` : '');
    take(given.slice(0, MOST));
  };

  for (const [button, input] of [['choose', 'files'], ['photograph', 'camera']]) {
    part(button).addEventListener('click', () => part(input).click());
    part(input).addEventListener('change', (event) => {
      if (event.target.files.length) give(images(event.target));
      event.target.value = ''; // so that the same file can be chosen again
    });
  }

  part('frame').addEventListener('click', () => visit.chosen || part('files').click());

  part('url-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const url = readUrl(part('url').value);
    if (!url) return warn('This is not a URL: one begins with https:// or http://.');
    part('url').value = '';
    return give([{ url }]);
  });

  addEventListener('paste', (event) => {
    if (!visit.model) return;
    const given = images(event.clipboardData);
    if (!given.length && event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    const url = visit.model.urls && readUrl(event.clipboardData.getData('text'));
    if (given.length || url) give(given.length ? given : [{ url }]);
    else warn(`What you pasted is not an image${visit.model.urls ? ' or a URL' : ''}.`);
  });

  const holds = ({ dataTransfer: { types } }) => types.includes('Files') || types.includes('text/uri-list');
  const over = (now) => document.body.classList.toggle('dragging', now);
  addEventListener('dragstart', (event) => event.target instanceof HTMLImageElement && event.preventDefault());
  addEventListener('dragleave', (event) => event.relatedTarget || over(false)); // otherwise it goes on to another element
  addEventListener('dragover', (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    over(true);
  });
  addEventListener('drop', (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    over(false);
    if (!visit.model) return;
    const given = images(event.dataTransfer);
    const url = visit.model.urls && readUrl(event.dataTransfer.getData('text/uri-list').split('\n')[0]);
    if (given.length || url) give(given.length ? given : [{ url }]);
    else warn('What you dropped is not an image.');
  });
}

// Input of images: file and folder chooser, camera, drop, paste, URL.

import { chosen, dropped } from './folders.js';
import { part } from './elements.js';
import { visit, warn } from './visit.js';
import { count, readUrl } from './words.js';

const MAX_IMAGES = 200; // images accepted at once, unless the model has another limit

const images = (transfer) => [...transfer.files].map((file) => ({ file }));
const limit = () => visit.model.limits?.max_files ?? MAX_IMAGES;

// Call `take` with each batch of images, as {file} or {url}, which may have a name.
export function listen(take) {
  const give = (given) => {
    if (!given.length) return warn('The folder has no images.');
    const most = limit();
    warn(given.length > most ? `Only the first ${most.toLocaleString('en')} of ${count(given.length, 'image')} were taken. Add the others afterwards: the table will have all.` : '');
    return take(given.slice(0, most));
  };

  for (const [button, input] of [['choose', 'files'], ['choose-folder', 'folder'], ['photograph', 'camera']]) {
    part(button).addEventListener('click', () => part(input).click());
    part(input).addEventListener('change', (event) => {
      if (event.target.files.length) give(input === 'folder' ? chosen(event.target.files) : images(event.target));
      event.target.value = ''; // allow the same file again
    });
  }

  part('frame').addEventListener('click', () => visit.chosen || part('files').click());

  part('url-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const url = readUrl(part('url').value);
    if (!url) return warn('This is not a URL: a URL begins with https:// or http://.');
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
    else warn(`The clipboard has no image${visit.model.urls ? ' or URL' : ''}.`);
  });

  const holds = ({ dataTransfer: { types } }) => types.includes('Files') || types.includes('text/uri-list');
  const over = (now) => document.body.classList.toggle('dragging', now);
  addEventListener('dragstart', (event) => event.target instanceof HTMLImageElement && event.preventDefault());
  addEventListener('dragleave', (event) => event.relatedTarget || over(false)); // otherwise it enters another element
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
    const inFolders = dropped(event.dataTransfer, limit());
    const url = visit.model.urls && readUrl(event.dataTransfer.getData('text/uri-list').split('\n')[0]);
    if (inFolders) inFolders.then(give, () => warn('The folder cannot be read.'));
    else if (given.length || url) give(given.length ? given : [{ url }]);
    else warn('Only images can be dropped here.');
  });
}

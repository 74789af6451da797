// The review page: one large image of a case, or many images in a grid. The address has the view: `#scope=…` is the grid.

import { close, dialogKey, part, train } from './page.js';
import { cases } from './cases.js';
import { grid } from './grid.js';

let view = null;

function show() {
  const next = location.hash.length > 1 ? grid : cases;
  view = next;
  document.body.dataset.view = view === grid ? 'grid' : 'cases';
  for (const item of document.querySelectorAll('[data-in]')) item.hidden = item.dataset.in !== document.body.dataset.view;
  document.title = view === grid ? 'Label · Pixmill' : 'Review · Pixmill';
  part('alert').hidden = true;
  view.begin();
}

const ACTS = { help: () => part('help').showModal(), close, train };

function act(name) {
  (view.acts[name] ?? ACTS[name])?.();
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialogKey(event)) return;
  const name = view.key(event);
  if (!name) return;
  event.preventDefault();
  if (name !== 'done') act(name);
});
document.addEventListener('click', (event) => {
  const name = event.target.closest('[data-act]')?.dataset.act;
  if (name) act(name);
});
window.addEventListener('hashchange', show); // by a link, or typed; the views replace the hash without this event
// A link to `grid/#…` comes here by a redirect, which knows no hash.
if (location.search === '?grid') history.replaceState(null, '', `./${location.hash || '#scope=unlabelled'}`);
show();

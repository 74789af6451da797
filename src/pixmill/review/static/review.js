// The page of `pixmill review`: shows one case at a time, and sends decisions.
// All content is untrusted: it is set as text, never as markup.

const LABEL_KEYS = '123456789abcdefghijklmnopqrstuvwxyz'; // keys of the labels in the dialog

const part = (id) => document.getElementById(id);

let session = null; // response of /session
let shown = null; // the case on the page
let chosen = 0; // index of the selected image
let busy = false; // during a request; keys pressed meanwhile are ignored, since the case may change

function make(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

async function ask(path, body) {
  const request = body === undefined ? {} : {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Error('The server has stopped. Start it again with: pixmill review');
  }
  if (!answer.ok && answer.status !== 409) throw new Error(`The server refused: ${await answer.text()}`);
  const content = await answer.json();
  if (content.error) throw new Error(content.next ? `${content.error}\nNext: ${content.next}` : content.error);
  return content;
}

// Run one action at a time, and show its error.
async function exclusively(work) {
  if (busy) return;
  busy = true;
  document.querySelector('main').setAttribute('aria-busy', 'true');
  try {
    await work();
    part('alert').hidden = true;
  } catch (error) {
    if (!shown) empty();
    warn(error.message);
  } finally {
    busy = false;
    document.querySelector('main').setAttribute('aria-busy', 'false');
  }
}

function empty() {
  part('none').hidden = false;
  document.querySelector('footer').hidden = true;
}

function warn(text) {
  const place = part('alert');
  place.textContent = text;
  place.hidden = false;
  place.scrollIntoView({ block: 'nearest' });
}

const say = (text) => { part('status').textContent = text; };
const short = (id) => id.slice(0, 12);
const listed = (names) => names.join(' or ');

// ---- display

function labelOf(image) {
  return image.label ?? `${listed(image.came_as)}?`;
}

const isNew = (image) => image.verdict === 'new'; // from the inbox; accepting it moves it to data/

function describe(image) {
  const { decision } = image;
  const accepted = `moved to data, as ${decision.label || image.label}`;
  const what = decision.verb === 'drop' ? 'drop' : isNew(image) ? accepted : { keep: 'keep', relabel: `relabel to ${decision.label}` }[decision.verb];
  const by = decision.by ? ` · ${decision.by}` : '';
  return what + by + (decision.why ? ` · ${decision.why}` : '');
}

function frame(image, name, tag, properties) {
  const img = make('img', { alt: name, src: `image/${image.id}`, decoding: 'async' });
  const box = make(tag, { className: 'frame', ...properties }, img);
  img.addEventListener('load', () => {
    // A small image is enlarged to at most four times its size.
    img.style.maxWidth = `${4 * img.naturalWidth}px`;
    img.style.maxHeight = `${4 * img.naturalHeight}px`;
  });
  img.addEventListener('error', async () => {
    const answer = await fetch(img.src).catch(() => null);
    const reason = answer ? (await answer.text()).trim() : 'no server';
    img.replaceWith(make('span', {}, `cannot be shown: ${reason}`));
  });
  return box;
}

function place(item, named) {
  const from = make('span', { className: 'faint' }, [named && `labelled '${item.label}'`, item.source, item.query, item.url?.includes(item.title) || item.title].filter((text) => typeof text === 'string' && text).join(' · '));
  if (!item.url) return make('div', {}, from);
  const web = /^https?:\/\/(?!shop\.pixmill\.test\/)/.test(item.url); // the bundled shop has no public host
  const address = web
    ? make('a', { href: item.url, target: '_blank', rel: 'noopener noreferrer', title: item.url }, cut(item.url))
    : make('span', { title: item.url.slice(0, 300) }, cut(item.url.replace('http://shop.pixmill.test/', 'bundled shop: /')));
  return make('div', {}, address, ' ', from);
}

const cut = (text) => (text.length <= 90 ? text : `${text.slice(0, 59)}…${text.slice(-30)}`);

function card(image, number) {
  const name = `Image ${number + 1}: ${labelOf(image)}`;
  const box = frame(image, name, 'button', { type: 'button', aria: { pressed: 'false', label: name } });
  box.append(make('span', { className: 'number', aria: { hidden: 'true' } }, String(number + 1)));
  box.addEventListener('click', () => choose(number));
  const rule = isNew(image) ? 'new' : image.verdict === 'keep' ? 'kept' : `dropped: ${image.reason}`;
  const decision = image.decision;
  const size = [image.size, image.format, `${image.bytes.toLocaleString('en')} bytes`].filter(Boolean).join(' · ');
  const facts = make('div', { className: 'facts' },
    make('div', { className: 'head' }, make('span', {}, labelOf(image)),
      decision ? make('span', { className: `badge ${decision.verb}` }, describe(image)) : make('span', { className: 'badge rule' }, rule)),
    make('div', {}, make('code', {}, short(image.id)), ` · ${size}`),
    ...image.places.map((item) => place(item, image.label === null)),
    image.more_places ? make('div', { className: 'faint' }, `and ${image.more_places.toLocaleString('en')} more URLs`) : null);
  return make('article', { className: `card is-${decision?.verb ?? 'open'}`, data: { id: image.id } }, box, facts);
}

function comparison(image) {
  const name = `Typical '${labelOf(image)}'`;
  return make('figure', {}, frame(image, name, 'div', {}), make('figcaption', {}, name));
}

function show(next, keep = false) {
  const same = keep && shown?.number === next.number;
  shown = next;
  if (!same) {
    chosen = Math.max(0, shown.images.findIndex((image) => !image.decision));
    part('reason').value = '';
  }
  part('end').hidden = true;
  part('case').hidden = false;
  part('title').textContent = `${shown.number + 1}. ${shown.title}`;
  part('why').textContent = shown.why;
  const images = part('images');
  const count = shown.images.length;
  part('sides').classList.toggle('single', count === 1);
  images.style.setProperty('--least', count < 3 ? '300px' : '250px');
  images.style.setProperty('--height', count < 3 ? '46vh' : '30vh');
  const held = images.contains(document.activeElement);
  images.replaceChildren(...shown.images.map(card));
  if (shown.hidden.length) images.append(make('p', { className: 'faint' }, `and ${shown.hidden.length} more with the same pixels`));
  part('comparison').hidden = !shown.comparison.length;
  part('typical').replaceChildren(...shown.comparison.map(comparison));
  for (const act of ['only', 'keep-all', 'drop-all']) button(act).hidden = count < 2;
  if (shown.kind === 'conflicts') button('keep-all').hidden = true; // the labels contradict each other
  const [first] = shown.images;
  part('keep').textContent = !isNew(first) ? 'Keep' : first.label === null ? 'Accept as…' : `Accept as '${first.label}'`;
  button('accept').hidden = !shown.suggestion;
  part('accept').textContent = shown.suggestion ? `Relabel to '${shown.suggestion}'` : '';
  overview();
  choose(chosen, held);
  if (!same) {
    window.scrollTo(0, 0);
    say(`Case ${shown.number + 1} of ${shown.total}: ${shown.title}.`);
  }
}

function overview() {
  part('progress').max = Math.max(1, shown.total);
  part('progress').value = shown.done;
  part('done').textContent = `${shown.done} of ${shown.total} decided${session.by ? `, by ${session.by}` : ''}`;
  const held = part('kinds').contains(document.activeElement);
  part('kinds').replaceChildren(...shown.kinds.map((kind) => {
    const to = make('button', { type: 'button' }, `${kind.kind} ${kind.done}/${kind.total}`);
    if (kind.kind === shown.kind) to.setAttribute('aria-current', 'true');
    to.addEventListener('click', () => exclusively(() => go(kind.first)));
    return to;
  }));
  if (held) part('kinds').querySelector('[aria-current]').focus();
  for (const undo of document.querySelectorAll('[data-act=undo]')) undo.disabled = !shown.undoable;
}

function choose(number, held = part('images').contains(document.activeElement)) {
  if (number < 0 || number >= shown.images.length) return;
  chosen = number;
  [...document.querySelectorAll('.images .card')].forEach((item, at) => {
    item.classList.toggle('chosen', at === number);
    item.querySelector('.frame').setAttribute('aria-pressed', String(at === number));
    if (at !== number) return;
    item.scrollIntoView({ block: 'nearest' });
    // Keep the focus among the images for users of Tab.
    if (held) item.querySelector('.frame').focus();
  });
  button('clear').disabled = !shown.images[number].decision;
}

const button = (act) => document.querySelector(`#actions [data-act=${act}]`);

function end() {
  part('case').hidden = true;
  part('end').hidden = false;
  part('data').hidden = !session.inbox;
  say(`All ${shown.total} cases are decided.`);
}

// ---- actions

async function go(number) {
  show(await ask(`case/${number}`));
}

async function step(by) {
  if (!part('end').hidden) return go(by < 0 ? shown.number : 0);
  const number = shown.number + by;
  if (number >= 0 && number < shown.total) return go(number);
  if (by > 0 && shown.done === shown.total) return end();
  return say(by < 0 ? 'This is the first case.' : 'This is the last case, but others are still open: see the kinds above.');
}

async function decide(choices) {
  if (!part('end').hidden) return;
  const after = await ask('decide', { case: shown.number, choices, why: part('reason').value });
  const made = after.images.find(({ id }) => id === choices[0].id)?.decision ?? choices[0];
  const what = choices.length > 1 ? `${choices.length} decisions` : `${made.verb} ${made.label ?? ''} ${short(choices[0].id)}`.replace(/\s+/g, ' ');
  show(after, true);
  if (after.settled && choices[0].verb !== 'clear') {
    if (after.next === null) end();
    else await go(after.next);
  } else {
    const open = after.images.findIndex((image) => !image.decision);
    if (open >= 0 && after.images[chosen].decision) choose(open);
  }
  say(`${choices[0].verb === 'clear' ? 'Cleared' : 'Saved'}: ${what}. ${part('end').hidden ? `Case ${shown.number + 1} of ${shown.total}: ${shown.title}.` : 'All cases are decided.'}`);
}

const image = () => shown.images[chosen];
const all = (verb) => [...shown.images.map((item) => item.id), ...shown.hidden].map((id) => ({ id, verb }));

const ACTS = {
  keep: () => (image().label === null ? ACTS.relabel() : exclusively(() => decide([{ id: image().id, verb: 'keep' }]))),
  drop: () => exclusively(() => decide([{ id: image().id, verb: 'drop' }])),
  clear: () => image().decision && exclusively(() => decide([{ id: image().id, verb: 'clear' }])),
  accept: () => shown.suggestion && relabel(shown.suggestion),
  only: () => !button('only').hidden && exclusively(() => decide(all('drop').map((item) => (item.id === image().id ? { ...item, verb: 'keep' } : item)))),
  'keep-all': () => !button('keep-all').hidden && exclusively(() => decide(all('keep'))),
  'drop-all': () => !button('drop-all').hidden && exclusively(() => decide(all('drop'))),
  undo: () => exclusively(async () => { show(await ask('undo', {})); say('Undone.'); }),
  next: () => exclusively(() => step(1)),
  previous: () => exclusively(() => step(-1)),
  help: () => part('help').showModal(),
  close: () => document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close()),
  relabel: () => {
    if (!part('end').hidden) return;
    part('filter').value = '';
    part('filter-line').hidden = session.classes.length <= LABEL_KEYS.length;
    classes();
    part('relabel').showModal();
    document.querySelector('.card.chosen .frame').scrollIntoView(); // above the dialog
    if (!part('filter-line').hidden) part('filter').focus(); // else "Cancel" has the focus: Enter must decide nothing
  },
};

const relabel = (label) => exclusively(() => decide([{ id: image().id, verb: 'relabel', label }]));

// Show the labels with their keys; if there are more labels than keys, those that match the filter.
function classes() {
  const keyed = part('filter-line').hidden;
  const wanted = part('filter').value.trim().toLowerCase();
  const likely = new Set([...image().came_as, shown.suggestion]);
  const found = session.classes.filter((label) => label.toLowerCase().includes(wanted));
  part('classes').replaceChildren(...found.slice(0, 200).map((label, at) => {
    const to = make('button', { type: 'button', className: likely.has(label) ? 'likely' : '', data: { label } }, `${label} `);
    if (keyed) to.append(make('kbd', {}, LABEL_KEYS[at]));
    to.addEventListener('click', () => { part('relabel').close(); relabel(label); });
    return to;
  }));
}

// ---- keys

const KEYS = {
  k: 'keep', d: 'drop', r: 'relabel', a: 'accept', o: 'only', K: 'keep-all', D: 'drop-all', x: 'clear', u: 'undo',
  n: 'next', p: 'previous', '?': 'help', ' ': 'next',
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !shown) return;
  const typing = event.target instanceof HTMLInputElement;
  if (part('relabel').open) {
    const label = typing ? event.key === 'Enter' && event.target.value.trim() && part('classes').firstChild?.dataset.label
      : part('filter-line').hidden && event.key.length === 1 && session.classes[LABEL_KEYS.indexOf(event.key)];
    if (label) {
      event.preventDefault();
      part('relabel').close();
      relabel(label);
    }
    return;
  }
  if (typing) {
    if (event.key === 'Enter' || event.key === 'Escape') event.target.blur();
    return;
  }
  if (part('help').open) {
    if (event.key === '?') part('help').close();
    return;
  }
  if (event.key === ' ' && event.target instanceof HTMLButtonElement) return;
  const act = KEYS[event.key];
  if (/^[1-9]$/.test(event.key)) choose(Number(event.key) - 1);
  else if (event.key === 'ArrowRight') choose(chosen + 1);
  else if (event.key === 'ArrowLeft') choose(chosen - 1);
  else if (event.key === 'w') part('reason').focus();
  // A key that is held down only turns pages.
  else if (act && (!event.repeat || act === 'next' || act === 'previous')) ACTS[act]();
  else return;
  event.preventDefault();
});

document.addEventListener('click', (event) => {
  const act = event.target.closest('[data-act]')?.dataset.act;
  if (act && (shown || act === 'help')) ACTS[act]();
});

part('filter').addEventListener('input', classes);

await exclusively(async () => {
  session = await ask(`session${location.search}`);
  if (!session.total) return empty();
  await go(session.first ?? 0);
  choose(shown.images.findIndex(({ id }) => id === session.image));
  if (session.first === null) end();
});

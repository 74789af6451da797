// Enlarge an image on click; arrow keys and buttons show its neighbours.
const dialog = document.querySelector('dialog');
const labels = [...document.querySelectorAll('#labels > li')].map((item) => item.textContent);
const large = document.createElement('img'); // created here because HTML requires a src
dialog.querySelector('form').after(large);
let enlarged;
const element = (tag, name, content) => Object.assign(document.createElement(tag), { className: name, textContent: content });
const cell = (name, content) => element('span', name, content);
const note = element('p', '', '');
dialog.querySelector('.bars').after(note);
const describe = (image) => {
  const figure = image.closest('figure');
  note.hidden = !image.dataset.id;
  note.replaceChildren('To review it: ', element('code', 'id', `pixmill review ${image.dataset.id?.slice(0, 12)}`));
  // An image within a caption has its own.
  const caption = (image.closest('figcaption') ? image.parentElement : figure?.querySelector('figcaption'))?.cloneNode(true);
  caption?.querySelectorAll('img, .similar').forEach((part) => part.remove());
  caption?.querySelectorAll('[title]').forEach((part) => { part.textContent = part.title; });
  dialog.querySelector('p').replaceChildren(...(caption?.childNodes ?? [image.alt]));
  const bars = dialog.querySelector('.bars');
  const pairs = figure?.dataset.probabilities?.split(' ').map((pair) => pair.split(':')) ?? [];
  bars.hidden = !pairs.length;
  bars.replaceChildren(...pairs.flatMap(([place, share]) => {
    const track = cell('track', ''), bar = cell('bar', '');
    bar.style.width = `${share}%`;
    track.append(bar);
    return [cell('name', labels[place]), track, cell('number', `${Number(share).toFixed(1)} %`)];
  }));
};

// `pixmill open` marks the pages that it serves. There, images lead to their own pages, and commands to the parts of the
// project's page that do the same.
const live = 'live' in document.documentElement.dataset;

// An image's page steps through the images below the same heading, and leads back to the place.
const leadToImage = (thumb, section) => {
  const { id } = thumb.dataset;
  if (!/^[0-9a-f]{64}$/.test(id)) return;
  const link = element('a', 'thumb', '');
  thumb.replaceWith(link);
  link.append(thumb);
  const from = `${location.pathname.split('/').slice(-2).join('/')}#${section.name}`;
  link.href = `../image/${id}?from=${encodeURIComponent(from)}`;
  link.addEventListener('click', () => { sessionStorage[`list ${from}`] = JSON.stringify({ title: section.title, ids: section.ids }); });
  if (section.ids.includes(id) || link.closest('figcaption')) return; // a caption has neighbours of its image
  link.id = `${section.name}.${section.ids.length}`;
  section.ids.push(id);
};
const listImages = () => {
  let section = { name: 'top', title: document.title, ids: [] };
  let number = 0;
  for (const part of document.querySelectorAll('main :is(h2, h3, summary:not(:has(h2)), [data-id])')) {
    if (part.dataset.id) leadToImage(part, section);
    else {
      part.id ||= `part-${number += 1}`;
      section = { name: part.id, title: part.textContent.trim(), ids: [] };
    }
  }
};

const PARTS = [
  [/^dvc repro$/, '#start', 'Start'], [/^pixmill review\b/, 'review/', 'Review'], [/^pixmill compare$/, '#compare', 'Compare'],
  [/^pixmill serve\b/, '#try-part', 'Try an image'], [/^pixmill promote$/, '#production-part', 'Promote'],
  [/^pixmill sweep --apply &&/, '#sweep-apply', 'Use these params'],
  [/^(params\.yaml|(scrape|validate|split|train|evaluate)\.[a-z_.]+)$/, '#params-part'], [/^reports\/[a-z]+\.html$/, ''],
];
const leadToPart = (code) => {
  const text = code.textContent;
  const [, part, label = text] = (live && PARTS.find(([pattern]) => pattern.test(text))) || [];
  if (part === undefined) return offerCopy(code);
  const link = element('a', label === text ? '' : 'act', label);
  link.href = `../${part || text}`;
  link.title = text;
  return code.replaceWith(link);
};
const offerCopy = (code) => {
  if (!/^(pixmill|dvc|mlflow|group_by:) /.test(code.textContent)) return;
  const button = element('button', 'copy', 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(code);
    }
  });
  code.after(' ', button);
};
// Sentences name commands, params and a line to paste as plain text.
const MENTION = /(?<![\w/])((?:(?:scrape|validate|split|train|evaluate)\.(?!html)[a-z_]+|dvc repro|pixmill compare)\b(?! -)|group_by: '.+'(?= in))/;
const markMentions = (node) => {
  if (node.nodeType === Node.TEXT_NODE) node.replaceWith(...node.data.split(MENTION).map((text, at) => (at % 2 ? element('code', '', text) : text)));
};
document.querySelectorAll('main p').forEach((text) => [...text.childNodes].forEach(markMentions));
if (live) listImages();
document.querySelectorAll('main code').forEach(leadToPart);

const images = [...document.querySelectorAll('main img')].filter((image) => !image.closest('a'));
const enlarge = (image) => {
  const factor = Math.min(0.9 * innerWidth / image.naturalWidth, 0.65 * innerHeight / image.naturalHeight, 6);
  large.src = image.src;
  large.alt = image.alt;
  large.width = factor * image.naturalWidth;
  describe(image);
  enlarged = image;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
};
for (const image of images) {
  image.alt ||= image.closest('figure')?.querySelector('figcaption')?.innerText ?? 'Image';
  image.tabIndex = 0;
  image.setAttribute('role', 'button');
  if (!image.closest('[title]')) image.title = image.alt;
  image.addEventListener('click', () => enlarge(image));
  image.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    enlarge(image);
  });
}
const go = (step) => {
  const shown = images.filter((image) => image.checkVisibility());
  enlarge(shown.at((shown.indexOf(enlarged) + step) % shown.length));
};
dialog.querySelectorAll('[data-step]').forEach((button) => button.addEventListener('click', () => go(Number(button.dataset.step))));
dialog.addEventListener('click', ({ target }) => { if (target === dialog || target.tagName === 'IMG') dialog.close(); });
dialog.addEventListener('keydown', ({ key }) => {
  if (key === 'ArrowLeft' || key === 'ArrowRight') go(key === 'ArrowLeft' ? -1 : 1);
});
dialog.addEventListener('close', () => enlarged?.focus());

// Show the whole text of a truncated title.
for (const name of document.querySelectorAll('.card strong')) name.title ||= name.textContent;

// Fold long galleries on small screens.
const few = 6;
for (const gallery of document.querySelectorAll('.gallery')) {
  if (gallery.children.length <= few + 2) continue;
  const button = document.createElement('button');
  button.className = 'more';
  button.textContent = `Show all ${gallery.children.length} images`;
  button.addEventListener('click', () => { gallery.classList.remove('folded'); button.remove(); });
  gallery.classList.add('folded');
  gallery.after(button);
}

// Make wide tables scrollable by keyboard.
const boxes = document.querySelectorAll('.scroll');
const settle = () => boxes.forEach((box) => {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  else box.removeAttribute('tabindex');
});
addEventListener('resize', settle);
settle();

// Open the details element that contains the target of a link.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = target?.closest('details'); box; box = box.parentElement.closest('details')) box.open = true;
  target?.closest('.folded')?.nextElementSibling.click();
  target?.scrollIntoView({ block: target.matches('.thumb') ? 'center' : 'start' });
  target?.focus({ preventScroll: true });
};
addEventListener('hashchange', unfold);
document.querySelectorAll('details').forEach((box) => box.addEventListener('toggle', settle));
if (location.hash) unfold();

// Enlarge an image on click; arrow keys and buttons show its neighbours.
const dialog = document.querySelector('dialog');
const labels = [...document.querySelectorAll('#labels > li')].map((item) => item.textContent);
const large = document.createElement('img'); // created here because HTML requires a src
dialog.querySelector('form').after(large);
let enlarged;
// The view of an image, and its review, on the page of the project; without it, the command.
const served = /^(localhost|127\.[\d.]+)$/.test(location.hostname);
const note = document.createElement('nav');
note.setAttribute('aria-label', 'This image');
dialog.querySelector('.bars').after(note);
const cell = (name, content) => Object.assign(document.createElement('span'), { className: name, textContent: content });
const link = (address, text) => Object.assign(document.createElement('a'), { href: address, textContent: text });
const lead = (owner) => {
  note.hidden = !owner;
  if (!owner) return;
  const { id, unlabelled } = owner.dataset;
  const [act, address, command] = unlabelled === undefined
    ? ['Review', `../review/?image=${id}`, `pixmill review ${id.slice(0, 12)}`]
    : ['Label', '../review/grid/', 'pixmill review'];
  const code = Object.assign(document.createElement('code'), { className: 'id', textContent: command });
  if (served) note.replaceChildren(link(`../image/${id}`, 'Open this image'), link(address, `${act} this`));
  else note.replaceChildren(`To ${act.toLowerCase()} it:`, code);
};
const describe = (image) => {
  const figure = image.closest('figure');
  lead(image.closest('[data-id]'));
  // An image within a caption has its own.
  const caption = (image.closest('figcaption [data-id]') ?? figure?.querySelector('figcaption'))?.cloneNode(true);
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
const images = [...document.querySelectorAll('main img')];
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
  image.title = 'Enlarge';
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
  target?.scrollIntoView();
};
addEventListener('hashchange', unfold);
document.querySelectorAll('details').forEach((box) => box.addEventListener('toggle', settle));
if (location.hash) unfold();

// Enlarge the image that is clicked.
const dialog = document.querySelector('dialog');
for (const image of document.querySelectorAll('main img')) {
  const enlarge = () => {
    const large = dialog.querySelector('img');
    const factor = Math.min(0.9 * innerWidth / image.naturalWidth, 0.8 * innerHeight / image.naturalHeight, 6);
    large.src = image.src;
    large.alt = image.alt;
    large.width = factor * image.naturalWidth;
    dialog.querySelector('p').textContent = image.closest('figure')?.querySelector('figcaption')?.innerText ?? image.alt;
    dialog.showModal();
  };
  image.alt ||= image.closest('figure')?.querySelector('figcaption')?.innerText ?? 'Image';
  image.tabIndex = 0;
  image.setAttribute('role', 'button');
  image.title = 'Enlarge';
  image.addEventListener('click', enlarge);
  image.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    enlarge();
  });
}
dialog.addEventListener('click', () => dialog.close());

// On a phone a long gallery starts folded.
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

// Let the keyboard scroll what is wider than the window.
const boxes = document.querySelectorAll('.scroll, .plot');
const settle = () => boxes.forEach((box) => {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  else box.removeAttribute('tabindex');
});
addEventListener('resize', settle);
settle();

// Open the folded section that a link leads to.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = target?.closest('details'); box; box = box.parentElement.closest('details')) box.open = true;
  target?.scrollIntoView();
};
addEventListener('hashchange', unfold);
document.querySelectorAll('details').forEach((box) => box.addEventListener('toggle', settle));
if (location.hash) unfold();

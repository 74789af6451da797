// Open the panel of one tile and wait for its original: run as a whole, so that no element outlives it. The script that
// finds the tiles stands before this one, as the function `extract`.
// arguments: the key of the tile; the longest wait and the pause between two looks, both in milliseconds.
const [wanted, longest, pause] = arguments;
const tile = extract(new Set()).find(({ key }) => key === wanted);
const links = () => site.selectors.original.flatMap((css) => query(document, css));
const imgs = () => site.selectors.panel.flatMap((css) => query(document, css));
// What was there before the click belongs to the panel of another tile.
const stale = new Set([...links().map((link) => link.href), ...imgs().map((img) => img.src)]);

const names = (link) => {
  const said = new URL(link.href).searchParams;
  return [said.get("tbnid"), said.get("docid")];
};
const ours = (link) =>
  tile.item.contains(link) ||
  names(link).some((name) => tile.names.includes(name)) ||
  (!stale.has(link.href) && tile.page !== null && tile.original(link)?.page === tile.page);
const look = () => {
  const link = links().find((one) => ours(one) && tile.original(one));
  if (link) return { key: wanted, ...tile.original(link), route: "click" };
  const img = imgs().find((one) => {
    const around = one.closest("a[href]");
    return !stale.has(one.src) && (!site.selectors.original.some((css) => around?.matches(css)) || ours(around));
  });
  return img ? { key: wanted, image: img.src, route: "click" } : null;
};

const poll = (done, until) => {
  const found = look();
  if (found || performance.now() >= until) done(found);
  else setTimeout(poll, pause, done, until);
};
if (!tile) return null;
tile.img.scrollIntoView({ block: "center", behavior: "instant" });
// A link that no script of the page catches would lead away from it.
document.addEventListener("click", (event) => event.preventDefault(), { once: true });
(site.selectors.button.map((css) => tile.img.closest(css)).find(Boolean) ?? tile.img).click();
return new Promise((done) => poll(done, performance.now() + longest));

// Open the panel of a tile and wait for its original. The function `extract` returns the tiles (google.js).
// arguments: key of the tile; timeout and polling interval in milliseconds.
const [wanted, timeout, interval] = arguments;
const tile = extract(new Set()).find(({ key }) => key === wanted);
const links = () => site.selectors.original.flatMap((css) => query(document, css));
const imgs = () => site.selectors.panel.flatMap((css) => query(document, css));
// Elements from before the click belong to the panel of another tile.
const stale = new Set([...links().map((link) => link.href), ...imgs().map((img) => img.src)]);

const names = (link) => {
  const params = new URL(link.href).searchParams;
  return [params.get("tbnid"), params.get("docid")];
};
const ours = (link) =>
  tile.item.contains(link) ||
  names(link).some((name) => tile.names.includes(name)) ||
  (!stale.has(link.href) && tile.page !== null && tile.original(link)?.page === tile.page);
const look = () => {
  const link = links().find((candidate) => ours(candidate) && tile.original(candidate));
  if (link) return { key: wanted, ...tile.original(link), route: "click" };
  const img = imgs().find((candidate) => {
    const around = candidate.closest("a[href]");
    return !stale.has(candidate.src) && (!site.selectors.original.some((css) => around?.matches(css)) || ours(around));
  });
  return img ? { key: wanted, image: img.src, route: "click" } : null;
};

const poll = (done, until) => {
  const found = look();
  if (found || performance.now() >= until) done(found);
  else setTimeout(poll, interval, done, until);
};
if (!tile) return null;
tile.img.scrollIntoView({ block: "center", behavior: "instant" });
// Prevent links from leaving the page.
document.addEventListener("click", (event) => event.preventDefault(), { once: true });
(site.selectors.button.map((css) => tile.img.closest(css)).find(Boolean) ?? tile.img).click();
return new Promise((done) => poll(done, performance.now() + timeout));

// Google's tiles. Their originals are elsewhere: in the scripts' arrays, and in the panels that a click opens.
const { selectors } = site;

const identity = (thumbnail) => {
  const named = thumbnail?.startsWith("http") ? new URL(thumbnail).searchParams.get("q") : null;
  return named?.startsWith("tbn:") ? named.slice(4) : null;
};

// An /imgres link says all that there is to say of an original.
const original = (link) => {
  const target = absolute(link?.getAttribute("href"));
  const said = target ? new URL(target).searchParams : null;
  const image = said?.get("imgurl");
  if (!/^https?:/i.test(image ?? "")) return null;
  const page = said.get("imgrefurl");
  return { image, ...(page && { page }), width: pixels(said.get("w")), height: pixels(said.get("h")), route: "link" };
};

const tiles = [];
const region = first(document, selectors.region) ?? document.body;
for (const item of every(region, selectors.item)) {
  if (selectors.ignore?.some((css) => item.closest(css))) continue;
  const img = item.matches("img") ? item : query(item, "img").find(isResult);
  if (!img) continue;
  const thumbnail = address(img);
  const page = absolute(value(item, selectors.page));
  const title = value(item, selectors.title) ?? told(img.alt);
  const ids = selectors.ids.map((css) => value(item, [css]));
  const names = [...ids, identity(thumbnail)].filter(Boolean);
  const key = names[0] ?? (page && `${page} ${title}`);
  if (!key || complete.has(key)) continue;
  const tile = { key, page, title, thumbnail, ...original(first(item, selectors.original)) };
  // What is not enumerable stays in the browser: only the script that opens the panels sees it.
  const inner = { item, img, names, original };
  for (const [name, value] of Object.entries(inner)) Object.defineProperty(tile, name, { value });
  tiles.push(tile);
}
return tiles;

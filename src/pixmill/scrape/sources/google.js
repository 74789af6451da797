// Tiles of Google. Most originals are in arrays of the page's scripts, or in the panel that a click opens.
const { selectors } = site;

const identity = (thumbnail) => {
  const named = thumbnail?.startsWith("http") ? new URL(thumbnail).searchParams.get("q") : null;
  return named?.startsWith("tbn:") ? named.slice(4) : null;
};

// An /imgres link has all fields of the original.
const original = (link) => {
  const target = absolute(link?.getAttribute("href"));
  const params = target ? new URL(target).searchParams : null;
  const image = params?.get("imgurl");
  if (!/^https?:/i.test(image ?? "")) return null;
  const page = params.get("imgrefurl");
  return { image, ...(page && { page }), width: pixels(params.get("w")), height: pixels(params.get("h")), route: "link" };
};

const tiles = [];
const region = first(document, selectors.region) ?? document.body;
for (const item of every(region, selectors.item)) {
  if (selectors.ignore?.some((css) => item.closest(css))) continue;
  const img = item.matches("img") ? item : query(item, "img").find(isResult);
  if (!img) continue;
  const thumbnail = address(img);
  const page = absolute(value(item, selectors.page));
  const title = value(item, selectors.title) ?? words(img.alt);
  const ids = selectors.ids.map((css) => value(item, [css]));
  const names = [...ids, identity(thumbnail)].filter(Boolean);
  const key = names[0] ?? (page && `${page} ${title}`);
  if (!key || complete.has(key)) continue;
  const tile = { key, page, title, thumbnail, ...original(first(item, selectors.original)) };
  // Non-enumerable properties are not returned; only google_panel.js uses them.
  const inner = { item, img, names, original };
  for (const [name, value] of Object.entries(inner)) Object.defineProperty(tile, name, { value });
  tiles.push(tile);
}
return tiles;

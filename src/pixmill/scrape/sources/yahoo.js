// Yahoo's tiles: one attribute says all that there is to say; where it is broken, the tile's link says the most.
const { selectors } = site;

// Quotation marks are now and then escaped twice, or not at all within a title; the addresses can be read all the same.
const field = /"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|\d+)/g;
const described = (item) => {
  const text = (value(item, selectors.data) ?? "").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return Object.fromEntries([...text.matchAll(field)].map(([, name, said]) => [name, unquoted(said)]));
  }
};
const unquoted = (literal) => {
  try {
    return JSON.parse(literal);
  } catch {
    return null;
  }
};
const linked = (item) => {
  const target = absolute(value(item, selectors.link));
  const said = target ? new URL(target).searchParams : new URLSearchParams();
  const image = said.get("imgurl");
  return {
    image: image && (web(image) ?? web(`https://${image}`)), // the link leaves the scheme out
    page: web(said.get("rurl")),
    title: told(said.get("name")),
    width: pixels(said.get("w")),
    height: pixels(said.get("h")),
  };
};

const tiles = [];
for (const item of every(document, selectors.item)) {
  const said = described(item);
  const link = linked(item);
  const original = web(said.ourl) ?? web(said.iurl);
  const image = original ?? link.image;
  const img = first(item, selectors.image);
  const thumbnail = web(said.ith) ?? address(img);
  const key = image ?? thumbnail;
  if (!key || complete.has(key)) continue;
  tiles.push({
    key,
    image,
    thumbnail,
    page: web(said.rurl) ?? link.page,
    title: told(said.alt) ?? link.title ?? told(img?.alt),
    width: pixels(said.w) ?? link.width,
    height: pixels(said.h) ?? link.height,
    route: original ? "json" : image ? "link" : "thumbnail",
  });
}
return tiles;

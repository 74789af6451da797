// Tiles of Yahoo: the JSON attribute of a tile has all fields; if it is broken, the tile's link has most of them.
const { selectors } = site;

// Quotation marks may be escaped twice, or not at all in titles; the URLs can still be read.
const field = /"(\w+)"\s*:\s*("(?:[^"\\]|\\.)*"|\d+)/g;
const described = (item) => {
  const text = (value(item, selectors.data) ?? "").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return Object.fromEntries([...text.matchAll(field)].map(([, name, data]) => [name, unquoted(data)]));
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
  const params = target ? new URL(target).searchParams : new URLSearchParams();
  const image = params.get("imgurl");
  return {
    image: image && (web(image) ?? web(`https://${image}`)), // the link omits the scheme
    page: web(params.get("rurl")),
    title: words(params.get("name")),
    width: pixels(params.get("w")),
    height: pixels(params.get("h")),
  };
};

const tiles = [];
for (const item of every(document, selectors.item)) {
  const data = described(item);
  const link = linked(item);
  const original = web(data.ourl) ?? web(data.iurl);
  const image = original ?? link.image;
  const img = first(item, selectors.image);
  const thumbnail = web(data.ith) ?? address(img);
  const key = image ?? thumbnail;
  if (!key || complete.has(key)) continue;
  tiles.push({
    key,
    image,
    thumbnail,
    page: web(data.rurl) ?? link.page,
    title: words(data.alt) ?? link.title ?? words(img?.alt),
    width: pixels(data.w) ?? link.width,
    height: pixels(data.h) ?? link.height,
    route: original ? "json" : image ? "link" : "thumbnail",
  });
}
return tiles;

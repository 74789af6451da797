// Tiles of Bing: the JSON attribute of a tile has all fields; if it is broken, the tile's link has most of them.
const { selectors } = site;

const described = (item) => {
  try {
    return JSON.parse(value(item, selectors.data)) ?? {};
  } catch {
    return {};
  }
};
const linked = (item) => {
  const target = absolute(value(item, selectors.link));
  const params = target ? new URL(target).searchParams : new URLSearchParams();
  return { image: web(params.get("mediaurl")), width: pixels(params.get("expw")), height: pixels(params.get("exph")) };
};

// Without the size parameters of its URL, a thumbnail has its full size.
const unsized = (thumbnail) => thumbnail?.replace(/&(?:w|h|c|r|o|dpr|pid|rm|qlt)=[^&]*/g, "") ?? null;

const tiles = [];
for (const item of every(document, selectors.item)) {
  const data = described(item);
  const link = linked(item);
  const image = web(data.murl) ?? link.image;
  const img = (item.matches("img") ? [item] : every(item, selectors.image)).find(isResult);
  const thumbnail = web(data.turl) ?? unsized(address(img));
  const key = image ?? thumbnail;
  if (!key || complete.has(key)) continue;
  const around = selectors.around.map((css) => item.closest(css)).find(Boolean) ?? item;
  tiles.push({
    key,
    image,
    thumbnail,
    page: web(data.purl) ?? web(absolute(value(around, selectors.page))),
    title: words(data.t) ?? value(around, selectors.title) ?? words(img?.alt),
    width: link.width,
    height: link.height,
    route: web(data.murl) ? "json" : image ? "link" : "thumbnail",
  });
}
return tiles;

// Bing's tiles: one attribute says all there is to say of an image; where it is broken, the tile's link says the most.
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
  const said = target ? new URL(target).searchParams : new URLSearchParams();
  return { image: web(said.get("mediaurl")), width: pixels(said.get("expw")), height: pixels(said.get("exph")) };
};

// The size that is asked for stands in the address; without it, the image comes as large as Bing keeps it.
const unsized = (thumbnail) => thumbnail?.replace(/&(?:w|h|c|r|o|dpr|pid|rm|qlt)=[^&]*/g, "") ?? null;

const tiles = [];
for (const item of every(document, selectors.item)) {
  const said = described(item);
  const link = linked(item);
  const image = web(said.murl) ?? link.image;
  const img = (item.matches("img") ? [item] : every(item, selectors.image)).find(isResult);
  const thumbnail = web(said.turl) ?? unsized(address(img));
  const key = image ?? thumbnail;
  if (!key || complete.has(key)) continue;
  const around = selectors.around.map((css) => item.closest(css)).find(Boolean) ?? item;
  tiles.push({
    key,
    image,
    thumbnail,
    page: web(said.purl) ?? web(absolute(value(around, selectors.page))),
    title: told(said.t) ?? value(around, selectors.title) ?? told(img?.alt),
    width: link.width,
    height: link.height,
    route: web(said.murl) ? "json" : image ? "link" : "thumbnail",
  });
}
return tiles;

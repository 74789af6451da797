// The results of a site that is described by selectors alone.
const tiles = [];
for (const item of every(document, site.selectors.item)) {
  const picture = address(first(item, site.selectors.picture));
  const page = absolute(value(item, site.selectors.link));
  const key = value(item, site.selectors.key) ?? page ?? picture;
  if (!key || complete.has(key)) continue;
  tiles.push({
    key,
    image: picture,
    page,
    title: value(item, site.selectors.title),
    price: value(item, site.selectors.price),
    route: picture ? "attribute" : null,
  });
}
return tiles;

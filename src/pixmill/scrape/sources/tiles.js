// The results of a site that is described by selectors alone.
const tiles = [];
for (const item of every(document, site.selectors.item)) {
  const img = address(first(item, site.selectors.image));
  const page = absolute(value(item, site.selectors.link));
  const key = value(item, site.selectors.key) ?? page ?? img;
  if (!key || complete.has(key)) continue;
  tiles.push({
    key,
    image: img,
    page,
    title: value(item, site.selectors.title),
    price: value(item, site.selectors.price),
    route: img ? "attribute" : null,
  });
}
return tiles;

// Tiles of a site without a script: only the selectors of its description are used.
// The width of an image according to its attribute, or to the largest entry of srcset.
const stated = (img, name) => (/^\d+$/.test(img?.getAttribute(name) ?? "") ? pixels(img.getAttribute(name)) : null);
const offered = (img) =>
  [...sets(img).matchAll(/\s(\d+)w\s*(?:,|$)/g)].map(([, width]) => Number(width));
const tiles = [];
for (const item of every(document, site.selectors.item)) {
  const shown = first(item, site.selectors.image);
  const img = picture(item, site.selectors.image);
  const all = shown && !site.addresses.length ? offers(imageOf(shown), item) : [];
  // What an attribute of a telling name holds may not exist; keep the shown image as the thumbnail.
  const small = all[0]?.address === img && all[0].size > 2 ? all.find(({ name }) => name === "src") : null;
  const page = absolute(value(item, site.selectors.link));
  const key = value(item, site.selectors.key) ?? page ?? img;
  if (!key || complete.has(key)) continue;
  tiles.push({
    key,
    image: img,
    thumbnail: small?.address ?? null,
    page,
    title: value(item, site.selectors.title),
    price: value(item, site.selectors.price),
    width: Math.max(stated(shown, "width") ?? 0, ...offered(shown)) || null,
    height: stated(shown, "height"),
    route: img ? "attribute" : null,
  });
}
return tiles;

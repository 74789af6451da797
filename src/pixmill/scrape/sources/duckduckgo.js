// DuckDuckGo's tiles: the page shows thumbnails only, the originals are in the JSON that its own script asks for.
const { selectors } = site;

// Thumbnails come by way of a host of DuckDuckGo's own, which names their real address.
const direct = (thumbnail) => {
  const inner = thumbnail.startsWith("http") ? new URL(thumbnail).searchParams.get("u") : null;
  return /^https?:\/\//i.test(inner ?? "") ? inner : thumbnail;
};
const small = (img) => {
  const found = address(img);
  return found && direct(found);
};

const tiles = [];
for (const item of every(document, selectors.item)) {
  const img = item.matches("img") ? item : first(item, selectors.image);
  const thumbnail = small(img);
  if (!thumbnail || complete.has(thumbnail)) continue;
  tiles.push({
    key: thumbnail,
    thumbnail,
    page: absolute(value(item, selectors.page)),
    title: value(item, selectors.title) ?? told(img.alt),
    route: "thumbnail",
  });
}
return tiles;

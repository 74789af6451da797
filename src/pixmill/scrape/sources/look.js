// Read the results of a page, press a button if one is shown, and scroll one step. The function `extract` returns the
// tiles (the site's script).
// The default buffer keeps 250 requests; `_FAILED_REQUESTS` of site.py reads it.
performance.setResourceTimingBufferSize(100000);
const tiles = extract();
// The number of results: the largest number in the text, with or without thousands separators.
const numbers = (text(first(document, site.total)) ?? "").matchAll(/\d{1,9}(?:[.,'’ ]\d{3}(?!\d))*/g);
const total = Math.min(Math.max(0, ...[...numbers].map(([number]) => Number(number.replace(/\D/g, "")))), 10 ** 9) || null;
for (const tile of tiles) tile.total = total;
const look = {
  url: location.href,
  tiles: tiles.slice(0, site.settings.most),
  count: every(document, site.selectors.item).length,
  ended: site.end.some((selector) => query(document, selector).length > 0),
  pressed: null,
  button: null,
};
const press = (kind) => {
  const [name, found] = step.buttons.includes(kind) ? named(site[kind]) : [];
  if (!found || look.pressed) return;
  look.pressed = kind;
  look.button = name;
  found.click();
};
["consent", "dismiss", "more"].forEach(press);

const page = document.scrollingElement;
const behavior = step.smooth ? "smooth" : "instant";
look.position = Math.round(window.scrollY);
look.bottom = bottom();
if (step.nudge) {
  // The page may have missed a scroll event while loading.
  window.scrollBy({ top: -window.innerHeight / 2, behavior: "instant" });
  window.dispatchEvent(new Event("scroll"));
  window.scrollBy({ top: page.scrollHeight, behavior: "instant" });
} else {
  window.scrollBy({ top: window.innerHeight * 0.9, behavior });
}
return look;

// Read the results of a page, press a button if one is shown, and scroll one step. The function `extract` returns the
// tiles (the site's script).
// The default buffer keeps 250 requests; `_FAILED_REQUESTS` of site.py reads it.
performance.setResourceTimingBufferSize(100000);
const tiles = extract();
// The number of results: the largest number in the text, with or without thousands separators.
const numbers = (text(first(document, site.total)) ?? "").matchAll(/\d{1,9}(?:[.,'’ ]\d{3}(?!\d))*/g);
let total = Math.min(Math.max(0, ...[...numbers].map(([number]) => Number(number.replace(/\D/g, "")))), 10 ** 9) || null;
const count = every(document, site.selectors.item).length;
if (!site.total.length && !total) {
  // "1–24 of 480": the range must fit the results that are shown.
  const range = text(document.body)?.match(/(?<![\d.,])1\s*[-–—]\s*(\d+)\s*(?:of|from|von|sur|de|di|van|\/)\s*(\d{1,3}(?:[.,'’ ]\d{3})+(?!\d)|\d+)/i);
  if (range && Number(range[1]) === count) total = Math.min(Number(range[2].replace(/\D/g, "")), 10 ** 9);
}
for (const tile of tiles) tile.total = total;
const look = {
  url: location.href,
  tiles: tiles.slice(0, site.settings.most),
  count,
  ended: site.end.some((selector) => query(document, selector).length > 0),
  pressed: null,
  button: null,
  onward: false,
};
const press = (kind) => {
  const [name, found] = step.buttons.includes(kind) ? named(site[kind]) : [];
  if (!found || look.pressed) return;
  look.pressed = kind;
  look.button = name;
  found.click();
};
["consent", "dismiss", "more"].forEach(press);

const behavior = step.smooth ? "smooth" : "instant";
const boxes = scrollers();
look.position = Math.round(boxes.reduce((sum, box) => sum + box.scrollTop, 0));
look.bottom = bottom();
const [control] = site.offset ? [] : onward();
look.onward = Boolean(control);
// Pressed only when all images of this page are known, since the results may be replaced.
if (control && step.buttons.includes("next") && !look.pressed && look.bottom && (step.back || tiles.every(({ image }) => image))) {
  look.pressed = "next";
  for (const box of boxes) box.scrollTo({ top: 0, behavior: "instant" });
  control.click();
} else if (step.back) {
  for (const box of boxes) {
    // The page may have missed a scroll event while loading, or load more when a place above its bottom comes into view.
    box.scrollBy({ top: -box.clientHeight * step.back, behavior: "instant" });
    (box === document.scrollingElement ? window : box).dispatchEvent(new Event("scroll"));
  }
} else {
  for (const box of boxes) box.scrollBy({ top: box.clientHeight * 0.9, behavior });
}
return look;

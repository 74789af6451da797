// One look at a page of results, and one step on; run as a whole, so that no element outlives the look.
// A script of the site's own stands before this one, as the function `extract`.
// By itself a browser remembers 250 requests; `_LOST` of site.py asks for those that failed.
performance.setResourceTimingBufferSize(100000);
const tiles = extract();
const look = {
  url: location.href,
  tiles: tiles.slice(0, site.settings.most),
  count: every(document, site.selectors.item).length,
  ended: site.end.some((selector) => query(document, selector).length > 0),
  pressed: null,
};
const press = (kind) => {
  const found = step.buttons.includes(kind) ? button(site[kind]) : null;
  if (!found || look.pressed) return;
  look.pressed = kind;
  found.click();
};
["consent", "dismiss", "more"].forEach(press);

const page = document.scrollingElement;
const behavior = step.smooth ? "smooth" : "instant";
look.position = Math.round(window.scrollY);
look.bottom = bottom();
if (step.nudge) {
  // A scroll that happened while the page was loading may have been lost on it.
  window.scrollBy({ top: -window.innerHeight / 2, behavior: "instant" });
  window.dispatchEvent(new Event("scroll"));
  window.scrollBy({ top: page.scrollHeight, behavior: "instant" });
} else {
  window.scrollBy({ top: window.innerHeight * 0.9, behavior });
}
return look;

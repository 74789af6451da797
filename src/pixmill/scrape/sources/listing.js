// One look at a page of results, and one step on: run as a whole, so that no element outlives the look.
// arguments: the selectors; the keys of cards whose picture is known; whether to nudge a page that stands still.
"use strict";
const [selectors, known, nudge] = arguments;
const skip = new Set(known);
const first = (root, selector) => (selector ? root.querySelector(selector) : null);
const text = (element) => (element ? element.textContent.trim().replace(/\s+/g, " ") : null);
const absolute = (address) => {
  try {
    return address ? new URL(address, document.baseURI).href : null;
  } catch {
    return null;
  }
};
// What waits in data-src is the picture; src alone may be a placeholder. currentSrc stays empty until the browser comes
// to load the picture, which on a busy machine may be after this look; only where srcset offers a choice must it be awaited.
const address = ({ dataset, currentSrc, srcset, src }) => dataset.src || currentSrc || (srcset ? null : src);
const seen = (element) => element !== null && !element.disabled && element.getClientRects().length > 0;

const cards = [];
const all = document.querySelectorAll(selectors.card);
for (const card of all) {
  const key = card.getAttribute(selectors.key);
  if (!key || skip.has(key)) continue;
  const picture = first(card, selectors.picture);
  cards.push({
    key,
    picture: picture ? absolute(address(picture)) : null,
    page: absolute(first(card, selectors.link)?.getAttribute("href")),
    title: text(first(card, selectors.title)),
    price: text(first(card, selectors.price)),
  });
}

for (const selector of [selectors.consent, selectors.more]) {
  const button = first(document, selector);
  if (seen(button)) button.click();
}

const page = document.scrollingElement;
const look = {
  cards,
  count: all.length,
  position: Math.round(window.scrollY),
  bottom: Math.ceil(window.scrollY + window.innerHeight) >= page.scrollHeight - 2,
  ended: first(document, selectors.end) !== null,
  empty: first(document, selectors.nothing) !== null,
};
if (nudge) {
  // A scroll that happened while the page was loading may have been lost on it.
  window.scrollBy({ top: -window.innerHeight / 2, behavior: "instant" });
  window.dispatchEvent(new Event("scroll"));
}
window.scrollBy({ top: nudge ? page.scrollHeight : window.innerHeight * 0.9, behavior: "instant" });
return look;

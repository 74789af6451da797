// Functions for all scripts on a results page. In a list of selectors, the first with a match wins.
"use strict";
const split = (selector) => {
  const at = selector.lastIndexOf("@");
  return at < 0 ? [selector, null] : [selector.slice(0, at), selector.slice(at + 1)];
};
const query = (root, css) => {
  try {
    return [...root.querySelectorAll(css)];
  } catch (error) {
    throw error instanceof DOMException ? new Error(`invalid selector: ${css}`) : error;
  }
};
// All elements that match the first matching selector.
const every = (root, selectors = []) => {
  for (const selector of selectors) {
    const found = query(root, split(selector)[0]);
    if (found.length) return found;
  }
  return [];
};
const first = (root, selectors = []) => every(root, selectors)[0] ?? null;
// A lone surrogate, as in titles that scripts cut, would make the whole result invalid.
const text = (element) => element?.textContent.trim().replace(/\s+/g, " ").toWellFormed() || null;
// The value of the first matching selector: an attribute if it ends in @name, else the text of the element.
const value = (root, selectors = []) => {
  for (const selector of selectors) {
    const [css, name] = split(selector);
    const element = css ? query(root, css)[0] : root;
    const found = element && (name ? element.getAttribute(name)?.trim() : text(element));
    if (found) return found.toWellFormed();
  }
  return null;
};
// Longer data: URIs would exhaust the memory.
const MAX_URL_LENGTH = 2 ** 22;
const absolute = (address) => {
  try {
    return address && address.length <= MAX_URL_LENGTH ? new URL(address, document.baseURI).href : null;
  } catch {
    return null;
  }
};
const isPlaceholder = (address) =>
  /^data:image\/svg/i.test(address) || site.placeholders.some((pattern) => new RegExp(pattern).test(address));
// The entries of srcset, also of the other sources of a <picture>; until lazy loading, data-srcset has them.
const sets = (img, names = ["data-srcset", "srcset"]) => {
  const sources = img?.parentElement?.matches("picture") ? query(img.parentElement, "source") : [];
  const values = names.flatMap((name) => [img, ...sources].map((each) => each?.getAttribute(name)?.trim()));
  return values.filter(Boolean).join(", ");
};
const entries = (srcset) =>
  [...srcset.matchAll(/\s*(\S*[^\s,])(?:\s+([\d.]+)([wx]))?\s*(?:,|$)/g)]
    .map(([, address, number, unit]) => ({ address, size: Number(number ?? 1), unit }))
    .filter(({ address }) => !address.startsWith("data:") && !isPlaceholder(address));
const widest = (srcset) => entries(srcset).reduce((best, entry) => (best?.size >= entry.size ? best : entry), null);
const largest = (srcset) => widest(srcset)?.address ?? null;
// The URL in an attribute of an image. With lazy loading, src may be a placeholder. currentSrc is empty until the image
// loads; it is needed only if srcset offers a choice. A lazy srcset is as good as data-src.
const held = (img, name) => {
  if (name === "srcset") return largest(sets(img));
  if (name === "data-src") return img.getAttribute(name) || largest(sets(img, ["data-srcset"]));
  if (name === "currentSrc") return img.currentSrc;
  if (name === "src") return largest(sets(img, ["srcset"])) && !site.addresses.includes("srcset") ? null : img.getAttribute("src");
  return img.getAttribute(name);
};
// Addresses that an image names, the largest first: in srcset, its attributes, and those of the elements around it up to
// the result. Nothing tells their sizes but srcset and the names of attributes: 3 is large, 1 what the page shows.
const SMALL = /thumb|small|tiny|mini|icon|placeholder|blur|lqip|hover|swatch|avatar|logo|badge|brand|bg|background/i;
const LARGE = /zoom|large|full|orig|hi-?res|big|max/i;
const OF_IMAGE = /src|image|img|photo|pic|lazy/i;
const MIN_WIDTH = 64;
const isFile = (address) => /\.(?:avif|bmp|gif|heic|jfif|jpe?g|png|tiff?|webp)$/i.test(new URL(address).pathname);
const isOther = (address) => /\.(?:html?|js|json|m3u8|m4v|mov|mp[34]|og[gv]|pdf|webm|xml)$/i.test(new URL(address).pathname);
const guessed = ({ name, value }, isAround) => {
  const text = value.trim();
  const isNamed = OF_IMAGE.test(name) || LARGE.test(name);
  const address = /^[[{]/.test(text) || (!isNamed && /\s/.test(text)) || name.endsWith("srcset") ? null : absolute(text);
  const isAddress = address && (isFile(address) || (isNamed && !isOther(address) && /^(?:https?:\/|data:image)?\//.test(text)));
  // A wiki's page about a file is called as the file: /wiki/File:Hat.jpg.
  if (name === "href") return isAround && isAddress && !/:[^/]*$/.test(new URL(address).pathname) ? { address, size: 3 } : null;
  return name.startsWith("data-") && isAddress ? { address, size: SMALL.test(name) ? 0 : LARGE.test(name) ? 3 : 2 } : null;
};
const offers = (img, root) => {
  const all = [];
  const set = widest(sets(img));
  if (set) all.push({ name: "srcset", address: absolute(set.address), size: set.unit === "w" ? 2 * (set.size > MIN_WIDTH) : Math.min(set.size, 2) });
  for (let element = img; element; element = element === root ? null : element.parentElement) {
    const place = element === img ? "" : `${[element.localName, ...element.classList].join(".")}@`;
    for (const attribute of element.attributes) {
      const offer = guessed(attribute, element !== img);
      if (offer) all.push({ name: `${place}${attribute.name}`, ...offer });
    }
  }
  const shown = absolute(img.getAttribute("src"));
  if (shown) all.push({ name: "src", address: shown, size: /^data:|\.svg(?:[?#]|$)/i.test(shown) ? 0 : 1 });
  return all.filter(({ address }) => address && !isPlaceholder(address)).sort((a, b) => b.size - a.size);
};
// A selector may name the <picture> itself.
const imageOf = (found) => found?.closest("picture")?.querySelector("img") ?? found;
const address = (found, root = found) => {
  const img = imageOf(found);
  if (img && !site.addresses.length) return offers(img, root)[0]?.address ?? null;
  for (const name of img ? site.addresses : []) {
    const found = absolute(held(img, name));
    if (found && !isPlaceholder(found)) return found;
  }
  return null;
};
// The URL of the image that matches the first matching selector, or the URL in the attribute @name.
const picture = (root, selectors = []) => {
  const fitting = selectors.find((selector) => every(root, [selector]).length);
  if (!fitting) return null;
  const [, name] = split(fitting);
  const element = every(root, [fitting])[0];
  if (!name) return address(element, root);
  const found = absolute(element.getAttribute(name));
  return found && !isPlaceholder(found) ? found : null;
};
// A value from JSON as a web URL, words, or a number of pixels; null if it is none.
const web = (value) => (typeof value === "string" && /^https?:\/\//i.test(value.trim()) ? value.trim().toWellFormed() : null);
const words = (value) => (typeof value === "string" && value.trim().replace(/\s+/g, " ").toWellFormed()) || null;
const pixels = (value) => Number.parseInt(value, 10) || null;
// Unlike icons, results are large and have an alt text.
const MIN_RESULT_PIXELS = 80;
const isResult = (img) =>
  img.alt.trim() !== "" && Math.max(pixels(img.getAttribute("width")) ?? 0, img.width) >= MIN_RESULT_PIXELS;
const visible = (element) =>
  element !== null && !element.disabled && element.getClientRects().length > 0 &&
  getComputedStyle(element).visibility !== "hidden";
const PRESSABLE = 'button, a, [role="button"], input[type="button"], input[type="submit"]';
// The first visible button by selector, then by its complete text, as [selector or text, element].
const named = ({ selectors = [], texts = [] }) => {
  for (const selector of selectors) {
    const found = query(document, selector).find(visible);
    if (found) return [selector, found];
  }
  if (!texts.length) return [];
  const wanted = texts.map((label) => label.toLowerCase());
  const labels = (element) =>
    [text(element), element.value, element.getAttribute("aria-label")].map((label) => String(label ?? "").trim().toLowerCase());
  const all = query(document, PRESSABLE);
  for (const [place, label] of wanted.entries()) {
    const found = all.find((element) => labels(element).includes(label) && visible(element));
    if (found) return [texts[place], found];
  }
  return [];
};
const button = (buttons) => named(buttons)[1] ?? null;
const clickable = (element) => element.matches(PRESSABLE) || getComputedStyle(element).cursor === "pointer";
// The control that leads to the next page, and its URL; a control without one is to be pressed while it is enabled.
// Some sites replace the link of the last page by plain text, which is not pressed.
const onward = () => {
  const found = first(document, site.next.selectors) ?? button(site.next);
  const control = (found?.matches(PRESSABLE) ? null : found?.querySelector(PRESSABLE)) ?? found;
  const [url, here] = [absolute(control?.getAttribute("href")), location.href.split("#")[0]];
  if (url && !/^javascript:/i.test(url) && !(url.includes("#") && url.split("#")[0] === here)) return [null, url];
  return [control && visible(control) && clickable(control) && !control.closest('[aria-disabled="true"], .disabled') ? control : null, null];
};
// What scrolls: the window, and the box that holds the results if it has a scroll bar of its own.
const scrollers = () => {
  const root = document.scrollingElement;
  let box = first(document, site.selectors.item)?.parentElement;
  const scrolls = (element) =>
    /auto|scroll/.test(getComputedStyle(element).overflowY) && element.scrollHeight > element.clientHeight + 2 &&
    (element !== document.body || getComputedStyle(root).overflowY !== "visible");
  while (box && box !== root && !scrolls(box)) box = box.parentElement;
  return box && box !== root ? [root, box] : [root];
};
const bottom = () =>
  scrollers().every((each) => Math.ceil(each.scrollTop + each.clientHeight) >= each.scrollHeight - 2);

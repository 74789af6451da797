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
const isPlaceholder = (address) => site.placeholders.some((pattern) => new RegExp(pattern).test(address));
const largest = (srcset) => {
  const entries = [...(srcset ?? "").matchAll(/\s*(\S*[^\s,])(?:\s+([\d.]+)[wx])?\s*(?:,|$)/g)];
  const size = ([, , number]) => Number(number ?? 1);
  return entries.reduce((best, entry) => (best && size(best) >= size(entry) ? best : entry), null)?.[1] ?? null;
};
// The URL in an attribute of an image. With lazy loading, src may be a placeholder. currentSrc is empty until the image
// loads; it is needed only if srcset offers a choice.
const held = (img, name) => {
  if (name === "srcset") return largest(img.getAttribute("srcset") ?? img.getAttribute("data-srcset"));
  if (name === "currentSrc") return img.currentSrc;
  if (name === "src") return img.getAttribute("srcset") && !site.addresses.includes("srcset") ? null : img.getAttribute("src");
  return img.getAttribute(name);
};
const address = (img) => {
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
  if (!name) return address(element);
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
  const all = query(document, 'button, a, [role="button"], input[type="button"], input[type="submit"]');
  for (const [place, label] of wanted.entries()) {
    const found = all.find((element) => labels(element).includes(label) && visible(element));
    if (found) return [texts[place], found];
  }
  return [];
};
const button = (buttons) => named(buttons)[1] ?? null;
const bottom = () => Math.ceil(window.scrollY + window.innerHeight) >= document.scrollingElement.scrollHeight - 2;

// Words that every script on a page of results may use. Selectors come in lists: the first that finds anything counts.
"use strict";
const split = (selector) => {
  const at = selector.lastIndexOf("@");
  return at < 0 ? [selector, null] : [selector.slice(0, at), selector.slice(at + 1)];
};
const query = (root, css) => {
  try {
    return [...root.querySelectorAll(css)];
  } catch (error) {
    throw error instanceof DOMException ? new Error(`unsound selector: ${css}`) : error;
  }
};
// All elements that the first fitting selector finds.
const every = (root, selectors = []) => {
  for (const selector of selectors) {
    const found = query(root, split(selector)[0]);
    if (found.length) return found;
  }
  return [];
};
const first = (root, selectors = []) => every(root, selectors)[0] ?? null;
// Half a character, as scripts leave it that cut titles short, would take the whole answer with it.
const text = (element) => element?.textContent.trim().replace(/\s+/g, " ").toWellFormed() || null;
// What the first fitting selector says: an attribute where it ends in @name, else the element's text.
const value = (root, selectors = []) => {
  for (const selector of selectors) {
    const [css, name] = split(selector);
    const element = css ? query(root, css)[0] : root;
    const said = element && (name ? element.getAttribute(name)?.trim() : text(element));
    if (said) return said.toWellFormed();
  }
  return null;
};
// No image that a page carries within itself, and no address, is longer; many would fill the memory.
const LONGEST = 2 ** 22;
const absolute = (address) => {
  try {
    return address && address.length <= LONGEST ? new URL(address, document.baseURI).href : null;
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
// What waits in data-src is the image; src alone may be a placeholder. currentSrc stays empty until the browser comes
// to load the image, which on a busy machine may be after this look; only where srcset offers a choice must it be awaited.
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
// An image by the first fitting selector: its address, or that in the attribute where the selector ends in @name.
const picture = (root, selectors = []) => {
  const fitting = selectors.find((selector) => every(root, [selector]).length);
  if (!fitting) return null;
  const [, name] = split(fitting);
  const element = every(root, [fitting])[0];
  if (!name) return address(element);
  const found = absolute(element.getAttribute(name));
  return found && !isPlaceholder(found) ? found : null;
};
// What a script's own data say, as far as it is an address on the web, words, or a number of pixels.
const web = (said) => (typeof said === "string" && /^https?:\/\//i.test(said.trim()) ? said.trim().toWellFormed() : null);
const told = (said) => (typeof said === "string" && said.trim().replace(/\s+/g, " ").toWellFormed()) || null;
const pixels = (said) => Number.parseInt(said, 10) || null;
// Signs, chips and icons are small and have no words; an image that was searched for has both.
const NARROWEST = 80;
const isResult = (img) =>
  img.alt.trim() !== "" && Math.max(pixels(img.getAttribute("width")) ?? 0, img.width) >= NARROWEST;
const visible = (element) =>
  element !== null && !element.disabled && element.getClientRects().length > 0 &&
  getComputedStyle(element).visibility !== "hidden";
// The first visible button by selector, then by the whole of its words: what it was found by, and itself.
const named = ({ selectors = [], texts = [] }) => {
  for (const selector of selectors) {
    const found = query(document, selector).find(visible);
    if (found) return [selector, found];
  }
  if (!texts.length) return [];
  const wanted = texts.map((words) => words.toLowerCase());
  const says = (element) =>
    [text(element), element.value, element.getAttribute("aria-label")].map((words) => String(words ?? "").trim().toLowerCase());
  const all = query(document, 'button, a, [role="button"], input[type="button"], input[type="submit"]');
  for (const [place, words] of wanted.entries()) {
    const found = all.find((element) => says(element).includes(words) && visible(element));
    if (found) return [texts[place], found];
  }
  return [];
};
const button = (buttons) => named(buttons)[1] ?? null;
const bottom = () => Math.ceil(window.scrollY + window.innerHeight) >= document.scrollingElement.scrollHeight - 2;

"""Words of a page that a browser divides in their middle."""

_DIVIDED = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [], range = document.createRange();
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  if (!node.parentElement.checkVisibility() || !node.parentElement.closest(arguments[0])) continue;
  for (const word of node.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const tops = new Set([...range.getClientRects()].map((one) => Math.round(one.top)));
    if (tops.size > 1) found.push(word[0]);
  }
}
return [...new Set(found)];
"""


def divided_words(browser, within="body"):
    """Return the visible words, within what a CSS selector finds, that stand on two lines each."""
    return browser.execute_script(_DIVIDED, within)

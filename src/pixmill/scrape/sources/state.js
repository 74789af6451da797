// What a page is to be told by: its address, its words, how many results it shows, and which marks are on it.
const found = {};
for (const [state, { selectors }] of Object.entries(site.states)) {
  const selector = selectors.find((css) => query(document, css).length > 0);
  if (selector) found[state] = selector;
}
const words = document.body?.innerText ?? "";
return {
  status: performance.getEntriesByType("navigation")[0]?.responseStatus ?? 0,
  url: location.href,
  title: String(document.title).toWellFormed(),
  words: words.slice(0, 20000).toWellFormed(),
  source: document.documentElement?.outerHTML.slice(0, 200000).toWellFormed() ?? "",
  count: every(document, site.selectors.item).length,
  found,
};

// The properties by which a page is classified.
const marks = {};
for (const [state, { selectors }] of Object.entries(site.states)) {
  const selector = selectors.find((css) => query(document, css).length > 0);
  if (selector) marks[state] = selector;
}
return {
  status: performance.getEntriesByType("navigation")[0]?.responseStatus ?? 0,
  url: location.href,
  title: String(document.title).toWellFormed(),
  text: (document.body?.innerText ?? "").slice(0, 20000).toWellFormed(),
  html: document.documentElement?.outerHTML.slice(0, 200000).toWellFormed() ?? "",
  count: every(document, site.selectors.item).length,
  marks,
};

// Whether a request of the page's own came to nothing: then it may stand still before its end.
const feeds = performance.getEntriesByType("resource").filter(({ name, initiatorType }) =>
  ["fetch", "xmlhttprequest"].includes(initiatorType) && new URL(name).origin === location.origin);
return feeds.some(({ responseStatus: status }) => status === 0 || status === 429 || status >= 500);

// The number of matches of each selector and an example.
const items = every(document, site.selectors.item);
const shorten = (text) => (text && text.length > 100 ? `${text.slice(0, 97).toWellFormed()}...` : text || null);
const size = ({ naturalWidth: width, naturalHeight: height }) => (width ? ` (${width} x ${height} pixels)` : "");
const example = (element, name) =>
  name ? shorten(element.getAttribute(name)) : shorten(text(element) || element.getAttribute("src") || element.outerHTML) + size(element);
const found = (root, selector) => {
  const [css, name] = split(selector);
  const elements = css ? query(root, css) : [root];
  return elements.filter((element) => !name || element.getAttribute(name)).map((element) => example(element, name));
};
const finding = (place, selector, roots, within) => {
  const hits = roots.map((root) => found(root, selector)).filter((examples) => examples.length);
  return { place, selector, within, count: within ? hits.length : (hits[0]?.length ?? 0), example: hits[0]?.[0] ?? null };
};

const findings = [];
for (const [name, selectors] of Object.entries(site.selectors)) {
  for (const selector of selectors) {
    // A site's script may apply a selector to each result or to the whole page.
    const inside = finding(`selectors.${name}`, selector, items, true);
    const own = name === "item" || (!inside.count && site.script !== "tiles");
    findings.push(own ? finding(`selectors.${name}`, selector, [document.documentElement], false) : inside);
  }
}
if (site.script === "tiles") {
  // Attributes with a URL, and whether it is taken.
  const hits = new Map();
  for (const item of items) {
    const img = imageOf(first(item, site.selectors.image));
    const taken = picture(item, site.selectors.image);
    const named = site.addresses.map((name) => ({ name, address: img && absolute(held(img, name)) }));
    for (const { name, address } of img ? [...named.filter(({ address }) => address), ...offers(img, item)] : []) {
      const place = site.addresses.includes(name) || address === taken ? "addresses" : "not in addresses";
      const id = `${place} ${name}`;
      if (!hits.has(id)) hits.set(id, { place, selector: name, examples: new Map() });
      hits.get(id).examples.set(item, address);
    }
  }
  for (const { place, selector, examples } of [...hits.values()].sort((a, b) => a.place.localeCompare(b.place))) {
    findings.push({ place, selector, within: true, count: examples.size, example: shorten([...examples.values()][0]) });
  }
}
for (const kind of ["consent", "dismiss", "more", "next"]) {
  for (const selector of site[kind].selectors) findings.push(finding(`${kind}.selectors`, selector, [document.documentElement], false));
  for (const label of site[kind].texts) {
    const hit = button({ texts: [label] });
    findings.push({ place: `${kind}.texts`, selector: label, within: false, count: hit ? 1 : 0, example: hit ? shorten(hit.outerHTML) : null });
  }
}
for (const place of ["end", "total"]) {
  for (const selector of site[place]) findings.push(finding(place, selector, [document.documentElement], false));
}
for (const [state, { selectors }] of Object.entries(site.states)) {
  for (const selector of selectors) findings.push(finding(`states.${state}.selectors`, selector, [document.documentElement], false));
}
return findings;

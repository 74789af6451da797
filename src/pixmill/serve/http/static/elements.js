// Elements of the page. All content is untrusted: it is set as text, never as markup.

export const part = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Download a file.
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  make('a', { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}

export function set(id, text) {
  part(id).textContent = text ?? '';
  part(id).hidden = !text;
}

// Images in folders, named by their paths.

const isImage = ({ file: { name, type } }) => !name.startsWith('.') && (/^image\//.test(type) || /\.(avif|hei[cf]|tiff?)$/i.test(name));
const ordered = (found) => found.filter(isImage).sort((a, b) => (a.name < b.name ? -1 : 1));

// Return the images of a chosen folder.
export const chosen = (files) => ordered([...files].map((file) => ({ file, name: file.webkitRelativePath })));

// Return a promise of the images in what was dropped, at most about `most`; null if there is no folder. Chromium refuses
// entries to a page that was opened as a file; its handles leave out names that Windows forbids, and others lack them.
export function dropped({ items }, most) {
  const files = [...items].filter(({ kind }) => kind === 'file');
  const entries = files.map((item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return null;
  const isFile = location.protocol === 'file:';
  return collect(files.map((item, at) => (isFile && item.getAsFileSystemHandle?.()) || entries[at]), most);
}

async function collect(roots, most) {
  const found = [];
  for (const root of await Promise.all(roots)) {
    for await (const one of walk(root, '')) {
      found.push(one);
      if (found.length > most) return ordered(found);
    }
  }
  return ordered(found);
}

async function* walk(one, within) {
  const name = `${within}${one.name}`;
  if (one.isDirectory || one.kind === 'directory') for await (const child of children(one)) yield* walk(child, `${name}/`);
  else yield { name, file: await (one.getFile?.() ?? new Promise((resolve, reject) => { one.file(resolve, reject); })) };
}

async function* children(folder) {
  if (folder.values) return yield* folder.values();
  const reader = folder.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return null;
    yield* some;
  }
}

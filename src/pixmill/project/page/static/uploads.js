// Files that are dropped or chosen, and their way to the server. A source yields pairs of a path and a File, which is
// never read here: the browser streams it from the disk.

const UPLOADS = 4; // at the same time

// A folder's entries come in portions.
async function* filesIn(entry, path = "") {
  if (entry.isFile) {
    yield [`${path}${entry.name}`, await new Promise((resolve, reject) => entry.file(resolve, reject))];
  } else {
    const reader = entry.createReader();
    for (;;) {
      const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!entries.length) return;
      for (const each of entries) yield* filesIn(each, `${path}${entry.name}/`);
    }
  }
}

// The items do not outlive the event, but their entries do.
export function dropped({ dataTransfer }) {
  const entries = [...dataTransfer.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile()).filter(Boolean);
  return (async function* all() {
    for (const entry of entries) yield* entry instanceof File ? [[entry.name, entry]] : filesIn(entry);
  })();
}

export async function* chosen(files) {
  for (const file of files) yield [file.webkitRelativePath || file.name, file];
}

// Send the files of an iterator to where `address` says for a path, a few at a time. Calls `show` with the numbers of
// those found and stored; returns what was not stored and why.
export async function upload(source, address, show) {
  const faults = [];
  let stored = 0;
  const files = await listAll(source, faults);
  const found = files.length;
  const send = async ([path, file]) => {
    try {
      const answer = await fetch(address(encodeURIComponent(path.toWellFormed())), { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
      if (!answer.ok) throw new Error((await answer.text()).trim());
      stored += 1;
    } catch (error) {
      faults.push(`${path}: ${error.message}`);
    }
  };
  const work = async () => {
    for (let file = files.shift(); file; file = files.shift()) {
      await send(file);
      show(found, stored);
    }
  };
  show(found, stored);
  await Promise.all(Array.from({ length: UPLOADS }, work));
  return { stored, faults };
}

// All files, so that their number is known before the first one is sent; the browser reads none of them.
async function listAll(source, faults) {
  const files = [];
  try {
    for await (const file of source) files.push(file);
  } catch (error) {
    faults.push(error.message);
  }
  return files;
}

// A sentence on files that were not stored; empty if there are none.
export const lost = (faults) => faults.length && `${faults.length.toLocaleString("en")} ${faults.length === 1 ? "file" : "files"} not copied:\n${faults.slice(0, 5).join("\n")}`;

// A button that chooses files, or a folder; `take` gets them as a source.
export function picker(text, attributes, take, may = () => true) {
  const input = Object.assign(document.createElement("input"), { type: "file", multiple: true, hidden: true });
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  button.addEventListener("click", () => may() && input.click());
  input.addEventListener("change", () => { take(chosen([...input.files])); input.value = ""; });
  return [button, input];
}

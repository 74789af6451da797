// Images dropped onto a class: files are uploaded one by one, then taken in together.
import { $, alert, folded, make, part, plain, post, shown, some } from "./tools.js";

const UPLOADS = 4; // at the same time
const OTHER = { unlabelled: "no label", "": "folders name the classes" };
let isUploading = false;
let isImporting = false;

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

async function* dropped(entries) {
  for (const entry of entries) yield* entry instanceof File ? [[entry.name, entry]] : filesIn(entry);
}

async function* chosen(files) {
  for (const file of files) yield [file.webkitRelativePath || file.name, file];
}

async function upload(batch, path, file) {
  const answer = await fetch(`images/${batch}?path=${encodeURIComponent(path.toWellFormed())}`,
    { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
  if (!answer.ok) throw new Error(`${path}: ${(await answer.text()).trim()}`);
}

// A drop during another waits for it.
let queue = Promise.resolve();
const add = (source, label) => { queue = queue.then(() => send(source, label)); };

async function send(source, label) {
  isUploading = true;
  alert("");
  const batch = crypto.randomUUID().replaceAll("-", "");
  const faults = [];
  let stored = 0;
  let found = 0;
  const show = () => { $("added").hidden = false; $("added").textContent = `Copying: ${stored} of ${some(found, "file")}`; $("add-progress").max = found; $("add-progress").value = stored; };
  $("add-progress").hidden = false;
  const work = async () => {
    for (;;) {
      const next = await source.next();
      if (next.done) return;
      found += 1;
      show();
      try {
        await upload(batch, ...next.value);
        stored += 1;
      } catch (error) {
        faults.push(error.message);
      }
      show();
    }
  };
  try {
    await Promise.all(Array.from({ length: UPLOADS }, work));
    while (isImporting) await new Promise((resolve) => setTimeout(resolve, 300)); // of another window
    if (stored && !await post(`images/${batch}/import`, { label: label || null })) stored = 0; // It has said why.
  } catch (error) {
    faults.push(error.message);
  }
  shown.delete("import"); // The result may read like the last one.
  if (faults.length) alert(`${some(faults.length, "file")} not copied:\n${faults.slice(0, 5).join("\n")}`);
  isUploading = false;
  $("add-progress").hidden = true;
  $("added").hidden = !stored;
  $("added").textContent = "Taking in …";
}

const label = () => {
  const value = document.querySelector("[name=add-label]:checked")?.value ?? "";
  return value === "+" ? $("new-class").value.trim() : value;
};

// A target is chosen by its radio button, or by dropping onto it.
function target(value, text) {
  const radio = make("input", { type: "radio", name: "add-label", value });
  const place = make("div", { className: "target" }, make("label", {}, radio, make("span", { textContent: text })));
  for (const name of ["dragenter", "dragover"]) place.addEventListener(name, (event) => { event.preventDefault(); place.classList.add("over"); });
  place.addEventListener("dragleave", (event) => { if (!place.contains(event.relatedTarget)) place.classList.remove("over"); });
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    radio.checked = true;
    // The items do not outlive the event.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile()).filter(Boolean);
    if (value === "+" && !label()) $("new-class").focus();
    else add(dropped(entries), label());
  });
  return place;
}

function picker(text, attributes) {
  const input = make("input", { type: "file", multiple: true, hidden: true, attributes });
  const button = make("button", { type: "button", textContent: text });
  button.addEventListener("click", () => {
    if (document.querySelector("[name=add-label]:checked")?.value === "+" && !label()) $("new-class").focus();
    else input.click();
  });
  input.addEventListener("change", () => { add(chosen([...input.files]), label()); input.value = ""; });
  return [button, input];
}

function newClass() {
  const name = make("input", { id: "new-class", type: "text", autocomplete: "off", attributes: { "aria-label": "Name of the new class" } });
  name.addEventListener("focus", () => { document.querySelector("[name=add-label][value='+']").checked = true; });
  return name;
}

function drawTargets(classes) {
  const value = document.querySelector("[name=add-label]:checked")?.value;
  const name = $("new-class") ?? newClass();
  const targets = [...classes.map((name) => target(name, name)), ...Object.entries(OTHER).map(([name, text]) => target(name, text)), target("+", "new class")];
  targets.at(-1).append(name);
  $("targets").replaceChildren(...targets);
  const radios = [...document.querySelectorAll("[name=add-label]")];
  (radios.find((radio) => radio.value === value) ?? radios.find((radio) => radio.value === "")).checked = true;
}

export function setUp() {
  // A file that misses a target must not replace the page.
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
  const options = make("fieldset", {}, make("legend", { textContent: "Drop images onto their class, or choose:" }), make("div", { id: "targets", className: "targets" }));
  $("add-part").replaceChildren(
    make("details", {}, make("summary", { textContent: "Add images" }), options,
      make("p", { className: "actions" }, ...picker("Choose files …", { accept: "image/*,.zip,.tar,.tgz,.gz,.csv" }), ...picker("Choose a folder …", { webkitdirectory: "" })),
      folded("pixmill import FOLDER --label CLASS")),
    make("progress", { id: "add-progress", hidden: true, attributes: { "aria-label": "Files copied" } }),
    make("p", { id: "added", className: "said-last", hidden: true, attributes: { role: "status" } }),
    make("button", { id: "stop-import", type: "button", hidden: true, textContent: "Stop" }));
  $("stop-import").addEventListener("click", () => post("import/stop"));
}

export function draw(all) {
  part("classes to add to", all.classes, drawTargets);
  isImporting = all.import.running;
  if (!isUploading) part("import", all.import, ({ running, status, stopped, log }) => {
    $("stop-import").hidden = !running;
    if (!running && status === null) return;
    $("added").hidden = false;
    // Without the folder of the files, and the advice at the end, which is the page's next step.
    const said = plain(log).replace(/^pixmill: /, "").replace(/[^\n:]*\/\.pixmill\/open\/added\/[0-9a-f]{32}\/?/g, "what you dropped ").trim();
    $("added").textContent = running ? "Taking in …" : stopped ? "Stopped." : status ? said : said.split("\nNext:")[0];
  });
}

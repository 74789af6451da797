// Images dropped onto a class: files are uploaded one by one, then taken in together.
import { $, alert, folded, make, part, plain, post, shown, some } from "./tools.js";
import { dropped, lost, picker, upload } from "./uploads.js";

const OTHER = { unlabelled: "no label", "": "folders name the classes" };
let isUploading = false;
let isImporting = false;

// A drop during another waits for it.
let queue = Promise.resolve();
export const add = (source, label) => { queue = queue.then(() => send(source, label)); };

async function send(source, label) {
  isUploading = true;
  alert("");
  const batch = crypto.randomUUID().replaceAll("-", "");
  $("add-progress").hidden = false;
  $("add-part").scrollIntoView({ block: "nearest" });
  const { stored, faults } = await upload(source, (path) => `images/${batch}?path=${path}`, (found, stored) => {
    $("added").hidden = false;
    $("added").textContent = `Copying: ${stored} of ${some(found, "file")}`;
    $("add-progress").max = found;
    $("add-progress").value = stored;
  });
  while (isImporting) await new Promise((resolve) => setTimeout(resolve, 300)); // of another window
  const isTaken = stored && await post(`images/${batch}/import`, { label: label || null }); // else it has said why
  shown.delete("import"); // The result may read like the last one.
  if (faults.length) alert(lost(faults));
  isUploading = false;
  $("add-progress").hidden = true;
  $("added").hidden = !isTaken;
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
    if (isNamed()) add(dropped(event), label());
  });
  return place;
}

// Whether the new class, if it is chosen, has a name.
function isNamed() {
  if (document.querySelector("[name=add-label]:checked")?.value !== "+" || label()) return true;
  $("new-class").focus();
  return false;
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
  // What misses a class, such as an archive, says its classes itself.
  $("add-part").addEventListener("drop", (event) => { if (!event.defaultPrevented) add(dropped(event), ""); event.preventDefault(); });
  const choose = (text, attributes) => picker(text, attributes, (source) => add(source, label()), isNamed);
  const options = make("fieldset", {}, make("legend", { textContent: "Drop images onto their class, or choose:" }), make("div", { id: "targets", className: "targets" }));
  $("add-part").replaceChildren(
    make("details", {}, make("summary", { textContent: "Add images" }), options,
      make("p", { className: "actions" }, ...choose("Choose files …", { accept: "image/*,.zip,.tar,.tgz,.gz,.csv" }), ...choose("Choose a folder …", { webkitdirectory: "" })),
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
    const said = plain(log).replace(/^pixmill: /, "").replace(/[^\n:']*\/\.pixmill\/open\/added\/[0-9a-f]{32}/g, "what you dropped").trim();
    $("added").textContent = running ? "Taking in …" : stopped ? "Stopped." : status ? said : said.split("\nNext:")[0];
  });
}

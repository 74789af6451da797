// The params as a form: checked while typing, saved with the file's comments, undone by one click.
import { $, alert, folded, make, part, post } from "./tools.js";

const changed = new Map();
let digest = "";
let saved = false;
let timer = 0;

// Meanings have code between backticks.
const prose = (text) => text.split("`").map((piece, number) => (number % 2 ? make("code", { textContent: piece }) : piece));

function input(field, id) {
  const attributes = { id, "aria-describedby": `${id}-about ${id}-error` };
  const options = { value: field.text, spellcheck: false, autocomplete: "off", attributes };
  if (field.choices.length) {
    const select = make("select", { attributes }, ...field.choices.map((choice) => make("option", { value: choice, textContent: choice })));
    select.value = field.text;
    return select;
  }
  if (field.text.length > 24) return make("textarea", { ...options, rows: Math.min(6, Math.ceil(field.text.length / 36)) });
  if (field.is_number) attributes.inputmode = "decimal";
  return make("input", { type: "text", ...options });
}

function row(field) {
  const id = `param-${field.name}`;
  const control = input(field, id);
  control.addEventListener("input", () => {
    if (control.value === field.text) changed.delete(field.name);
    else changed.set(field.name, control.value);
    $("params-save").disabled = true;
    clearTimeout(timer);
    timer = setTimeout(check, 250);
  });
  const fallback = field.default === null || field.default === field.text ? "" : ` Default: ${field.default}.`;
  return make("div", { className: "field" },
    make("label", { htmlFor: id }, ...(field.name.split(".").slice(1).join(".") || field.name).split(/(?<=\.)/).flatMap((piece) => [piece, make("wbr")])),
    control,
    make("p", { id: `${id}-error`, className: "problem" }),
    make("p", { id: `${id}-about`, className: "faint", title: `Expected: ${field.expected}` }, ...prose(field.meaning + fallback)));
}

async function check() {
  showErrors({});
  $("params-save").disabled = !changed.size;
  if (!changed.size) return;
  const asked = JSON.stringify({ values: Object.fromEntries(changed) });
  const answer = await fetch("params/check", { method: "POST", headers: { "Content-Type": "application/json" }, body: asked });
  const found = await answer.json();
  if (asked !== JSON.stringify({ values: Object.fromEntries(changed) })) return; // A later check has begun.
  showErrors(answer.ok ? found.errors : { "": found.error });
}

function showErrors(errors) {
  for (const place of document.querySelectorAll("#params-form .problem")) {
    const control = place.previousElementSibling;
    const name = place.id.slice("param-".length, -"-error".length);
    place.textContent = errors[name] ?? "";
    control.toggleAttribute("aria-invalid", name in errors);
  }
  $("params-problem").textContent = errors[""] ?? "";
  if (Object.keys(errors).length) $("params-save").disabled = true;
}

async function load() {
  const answer = await fetch("params");
  const content = await answer.json();
  changed.clear();
  $("params-save").disabled = true;
  $("params-problem").textContent = answer.ok ? "" : `${content.error}\nNext: ${content.next}`;
  const sections = new Map();
  if (answer.ok) digest = content.digest;
  for (const field of answer.ok ? content.params : []) {
    const name = field.name.includes(".") ? field.name.split(".")[0] : "classes";
    sections.set(name, [...(sections.get(name) ?? []), field]);
  }
  const open = new Set([...document.querySelectorAll("#params-form details[open]")].map((each) => each.dataset.section));
  $("params-form").replaceChildren(...[...sections].map(([name, fields]) => make("details",
    { open: open.size ? open.has(name) : name === "train", attributes: { "data-section": name } },
    make("summary", { textContent: name }), ...fields.map(row))));
}

async function save(event) {
  event.preventDefault();
  if ($("params-save").disabled) return;
  saved = Boolean(await post("params", { digest, values: Object.fromEntries(changed) }));
  if (!saved) return;
  changed.clear();
  const details = $("params-form").closest("details");
  details.open = false; // What is out of date, and the button to undo, are below.
  details.firstChild.focus();
}

export function setUp() {
  const form = make("form", {},
    make("div", { id: "params-form" }),
    make("p", { id: "params-problem", className: "problem", attributes: { role: "alert" } }),
    make("p", { className: "actions stays" },
      make("button", { id: "params-save", type: "submit", className: "good", textContent: "Save", disabled: true }),
      make("button", { id: "params-reload", type: "button", textContent: "Reload" })));
  const details = make("details", {}, make("summary", { textContent: "Change params" }), form, folded("pixmill doctor --quick"));
  const undo = make("button", { id: "params-undo", type: "button", textContent: "Undo the last change of params" });
  form.addEventListener("submit", save);
  form.querySelector("#params-reload").addEventListener("click", () => { alert(""); load(); });
  undo.addEventListener("click", async () => {
    saved = false;
    if (await post("params/undo") && details.open) await load();
  });
  details.addEventListener("toggle", () => { if (details.open && !changed.size) load(); });
  $("params-part").replaceChildren(details, make("p", { id: "params-saved", className: "actions", hidden: true },
    make("span", { attributes: { role: "status" } }), undo));
}

export function draw({ state, can_undo_params: canUndo }) {
  const stale = state.stages.filter((stage) => stage.status === "stale").map((stage) => stage.name);
  part("params", { stale, canUndo, saved }, () => {
    $("params-saved").hidden = !canUndo;
    $("params-saved").firstChild.textContent = saved ? `Saved.${stale.length ? ` Out of date: ${stale.join(", ")}.` : ""}` : "";
    $("params-saved").firstChild.hidden = !saved;
  });
}

// The params as a form: checked while typing, saved with the file's comments, undone by one click.
import { $, alert, folded, make, part, post } from "./tools.js";

// Recipes of Pixmill with a name, and what each costs and gave.
const RECIPES = {
  fast: ["Fast", "One small network: about a minute for 2,000 photographs on two processors. It works offline."],
  best: ["Best", "Two networks: 2.7 times the time of Fast, and 1 to 2 of 100 more images right. It works offline."],
  strong: ["Stronger", "For classes that look alike: 13 times the time of Fast, and a download of 90 MB."],
  finetune: ["Fine-tune", "Minutes to half an hour. On 500 to 2,000 small photographs of things, 3 to 5 of 100 more right than Fast; on garments and waste, no more."],
};

// Sections in the order of the form; the first one is open.
const SECTIONS = {
  train: "Model", classes: "Classes", scrape: "Scrape", validate: "Validate", split: "Split", evaluate: "Evaluate", compare: "Compare and promote", sweep: "Sweep",
};

// Names of params; others are named by the last word of their dotted name.
const NAMES = {
  "scrape.source": "Where images come from", "scrape.queries": "Search terms", "scrape.per_class": "Most images of a class", "scrape.snapshot": "Date of the collection",
  "validate.min_per_class.count": "Fewest images of a class", "validate.class_balance.warning": "Warn of a class below", "validate.class_balance.critical": "Stop at a class below",
  "validate.image_size.min_width": "Smallest width", "validate.image_size.min_height": "Smallest height",
  "split.val": "Share to choose the model on", "split.test": "Share to test on", "split.image_size": "Side of the images, pixels",
  "train.model": "Kind of model", "train.features.layers": "Layers to use", "train.features.head": "Classifier on top", "train.features.inverse_regularization": "Freedom to fit (C)",
  "train.backbone.name": "Pretrained networks", "train.backbone.image_size": "Side of their images, pixels", "train.backbone.unfreeze": "Layers to fine-tune", "train.backbone.rate_factor": "Their share of the learning rate",
  "train.cnn.blocks": "Convolutions", "train.cnn.dense": "Dense layers", "train.features.dense": "Dense layers", "train.epochs": "Passes over the images", "train.batch_size": "Images a step",
  "train.patience": "Passes without progress", "train.seed": "Random seed", "train.class_weights": "Rare classes count more", "train.minutes": "Longest training, minutes", "train.target_accuracy": "Accuracy of sure predictions",
  "evaluate.unlabelled": "Folder of unlabelled images", "compare.metric": "Measure that decides", "compare.margin": "Difference that counts as none", "sweep.trials": "Models to try",
};

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

function nameOf(name) {
  const words = name.split(".").at(-1).replaceAll("_", " ");
  return NAMES[name] ?? words[0].toUpperCase() + words.slice(1);
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
    make("label", { htmlFor: id }, nameOf(field.name), " ", make("code", { className: "faint" }, ...field.name.split(/(?<=\.)/).flatMap((piece) => [piece, make("wbr")]))),
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
  $("params-recipes").replaceChildren(...(answer.ok ? Object.keys(RECIPES).map((name) => recipe(name, name === content.recipe)) : []));
  const sections = new Map(Object.keys(SECTIONS).map((name) => [name, []]));
  if (answer.ok) digest = content.digest;
  for (const field of answer.ok ? content.params : []) {
    const name = field.name.includes(".") ? field.name.split(".")[0] : "classes";
    sections.set(name, [...(sections.get(name) ?? []), field]);
  }
  const open = new Set([...document.querySelectorAll("#params-form details[open]")].map((each) => each.dataset.section));
  $("params-form").replaceChildren(...[...sections].filter(([, fields]) => fields.length).map(([name, fields]) => make("details",
    { open: open.size ? open.has(name) : name === "train", attributes: { "data-section": name } },
    make("summary", { textContent: SECTIONS[name] ?? name }), ...fields.map(row))));
}

function recipe(name, isUsed) {
  const [title, about] = RECIPES[name];
  const id = `recipe-${name}`;
  const button = make("button", { type: "button", textContent: title, attributes: { "aria-pressed": isUsed, "aria-describedby": id } });
  button.addEventListener("click", async () => {
    if (changed.size) {
      $("params-problem").textContent = "First save your changes, or reload.";
      return;
    }
    button.textContent = `${title} …`;
    saved = Boolean(await post("params/use", { digest, recipe: name }));
    button.textContent = title;
    if (saved) fold();
  });
  return make("div", { className: "recipe" }, button, make("p", { id, className: "faint", textContent: isUsed ? `In use. ${about}` : about }));
}

// What is out of date, and the button to undo, are below.
function fold() {
  const details = $("params-form").closest("details");
  details.open = false;
  details.firstChild.focus();
}

async function save(event) {
  event.preventDefault();
  if ($("params-save").disabled) return;
  saved = Boolean(await post("params", { digest, values: Object.fromEntries(changed) }));
  if (!saved) return;
  changed.clear();
  fold();
}

export function setUp() {
  const form = make("form", {},
    make("div", { id: "params-recipes", attributes: { role: "group", "aria-label": "Recipes" } }),
    make("div", { id: "params-form" }),
    make("p", { id: "params-problem", className: "problem", attributes: { role: "alert" } }),
    make("p", { className: "actions stays" },
      make("button", { id: "params-save", type: "submit", className: "good", textContent: "Save", disabled: true }),
      make("button", { id: "params-reload", type: "button", textContent: "Reload" })));
  const details = make("details", {}, make("summary", { textContent: "Change the model or its settings" }), form, folded("pixmill use"));
  const undo = make("button", { id: "params-undo", type: "button", textContent: "Undo the last change of settings" });
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

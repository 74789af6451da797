// The view of one image. All content is set as text: names, pages and labels are untrusted.
import { drawPrediction, figure, read, similar, trouble } from "./answer.js";
import { LABEL_KEYS, labelButton } from "./labels.js";
import { $, make, post, setText, size } from "./tools.js";

const id = location.pathname.split("/").at(-1);
// `?from=` is the place, relative to the project's page, that one came from. It has left its list as
// sessionStorage["list <place>"], JSON of its `title` and the `ids` of its images.
const from = new URLSearchParams(location.search).get("from");
const listed = JSON.parse(sessionStorage[`list ${from}`] ?? null);
const tab = (sessionStorage.window ??= Math.random().toString(36).slice(2)); // shared with the review
const KEYED = 9;
let facts = null;
let said = null; // the prediction on the page
const view = (other) => `${other}${location.search}`;
const short = (name) => name.slice(0, 12);

// Only web addresses become links: a source may give others.
function address(text) {
  return /^https?:\/\//i.test(text) ? make("a", { href: text, rel: "noopener noreferrer", target: "_blank", textContent: text }) : text;
}

function row(name, ...values) {
  return values.length && values.every((value) => value !== null && value !== "" && value !== undefined)
    ? [make("dt", { textContent: name }), make("dd", {}, ...values)] : [];
}

const lines = (items) => (items.length ? [make("ul", { className: "plain" }, ...items.map((item) => make("li", {}, ...item)))] : []);
const image = (other) => make("a", { href: view(other), textContent: short(other) });

function sighting({ source, label, query, title, price, image_url: from, page_url: page, reason }) {
  const what = [source, label && `as ${label}`, query && query !== label && `by “${query}”`, title, price, reason].filter(Boolean).join(", ");
  return [what, ...[from, page].filter((each, place, all) => each && all.indexOf(each) === place).flatMap((each) => [make("br"), address(each)])];
}

// Return the label, and what was decided since.
function heading() {
  if (!facts.known) return "An image that this project does not have";
  const { label, verdict, reason } = facts.manifest;
  const before = label ?? (verdict && reason !== "unlabelled" ? "Conflicting labels" : "Without a label");
  const waiting = waitingFor(facts);
  return waiting ? `${before} → ${waiting}, not trained yet` : before;
}

// Return decisions as sentences. Whoever gives a label keeps the image, too.
function sentences(decisions, label) {
  const isLabelled = decisions.some(({ answer }) => answer === "yes");
  return decisions.filter(({ answer }) => answer !== "keep" || !isLabelled).map(({ answer, label: other, by, why }) => {
    const words = { yes: `said ${other}${!facts.cells && label && label !== other ? `, not ${label}` : ""}`, no: `said not ${other}`, keep: "kept it", drop: "dropped it" };
    return [`${by || "Someone"} ${words[answer]}${why && `: ${why}`}`];
  });
}

function drawFacts() {
  const { known, manifest, why, other, prediction, sightings, near_duplicates: twins, decisions, corrections } = facts;
  const { label, split, verdict, reason, source, licence, author, snapshot, width, height, format, bytes } = manifest;
  const dropped = verdict === "drop" && (reason === "unlabelled" ? "not used yet" : "dropped");
  setText("title", heading());
  setText("lead", known ? [split && `${split} split`, dropped, format, width && `${width} × ${height} pixels`, bytes && size(bytes)].filter(Boolean).join(" · ") : "It was chosen to be tried, and is kept until the page ends.");
  $("facts").replaceChildren(
    ...(dropped ? row(dropped[0].toUpperCase() + dropped.slice(1), why, ...(other ? [": ", image(other)] : [])) : []),
    ...row("Found", ...lines(sightings.map(sighting))),
    ...row("Licence", licence && address(licence)), ...row("Author", author), ...row("Snapshot", source === "folder" ? null : snapshot),
    ...row("Near-duplicates", ...lines(twins.map((twin) => [image(twin.id), ` similarity ${twin.similarity.toFixed(2)}`]))),
    ...row("Decisions", ...lines(sentences(decisions, label))),
    ...row("Corrections", ...lines(corrections.map((each) => [each.label ?? "none of the classes", ` instead of ${each.prediction.label}, received ${each.received.slice(0, 10)}`]))),
  );
  const { loss = null, held_out: isHeldOut } = prediction ?? {};
  $("details").replaceChildren(...row("Id", make("code", { className: "id", textContent: id })), ...row("Loss", loss?.toFixed(2)));
  $("history").hidden = !known;
  setText("of", isHeldOut === false ? "The model was trained on this image." : isHeldOut ? "By a model that was not trained on this image." : "");
}

// Show what the model says, and whether that is right by the label of now.
function drawSaid(prediction) {
  said = prediction;
  const waiting = waitingFor(facts);
  drawPrediction($("said"), id, $("picture").firstChild, said, facts.classes.includes(waiting) ? waiting : facts.manifest.label, facts.cells);
}

// Return what is decided that the last run did not know.
function waitingFor({ manifest: { label, verdict }, decisions, cells }) {
  const changed = cells ? decisions.filter(({ answer, label: name }) => ["yes", "no"].includes(answer) && cells[name] !== (answer === "yes")) : [];
  if (changed.length) return changed.map(({ answer, label: name }) => (answer === "yes" ? name : `not ${name}`)).join(", ");
  const answers = decisions.map(({ answer }) => answer);
  const labels = decisions.filter(({ answer }) => answer === "yes").map((row) => row.label);
  if (answers.includes("drop")) return verdict === "drop" ? null : "dropped";
  if (!cells && labels.length === 1 && labels[0] !== label) return labels[0];
  return answers.includes("keep") && verdict === "drop" ? "kept" : null;
}

function drawDeciding({ known, classes, manifest }) {
  const { label } = manifest;
  const waiting = waitingFor(facts);
  $("deciding").hidden = !known;
  setText("deciding-title", facts.cells ? "Which labels does it have?" : label ? "Is the label right?" : "Which label is right?");
  const now = classes.includes(waiting) ? waiting : label;
  $("classes").classList.toggle("cells", Boolean(facts.cells));
  $("classes").replaceChildren(...classes.slice(0, LABEL_KEYS.length).map((name, at) => (facts.cells ? cell(name, at)
    : labelButton({ name, key: LABEL_KEYS.slice(0, KEYED)[at], isLikely: name === now }, (chosen) => decide("label", chosen)))));
  setText("number-keys", facts.cells ? "yes, with Shift no" : "label");
  $("review").href = `../review/?image=${id}`;
  $("keep").disabled = !now && !facts.cells;
  $("waiting").hidden = !waiting;
  if (waiting) $("waiting").replaceChildren(make("strong", { textContent: `You decided: ${waiting}. ` }), "The model does not know it yet. ", make("a", { href: "../#start", textContent: "Train again" }));
}

// Return a label with buttons for yes and no; the one that is pressed takes the decision back.
function cell(name, at) {
  const decided = facts.decisions.filter(({ label, answer }) => label === name && ["yes", "no"].includes(answer)).map(({ answer }) => answer);
  const given = name in facts.cells ? [facts.cells[name] ? "yes" : "no"] : [];
  const buttons = ["yes", "no"].map((verb) => {
    const isOn = (decided.length ? decided : given).includes(verb);
    const button = make("button", { type: "button", className: isOn ? "likely" : "", attributes: { "aria-pressed": String(isOn), "aria-label": `${name}: ${verb}` } }, verb);
    button.addEventListener("click", () => decide(decided.includes(verb) ? "unset" : verb, name));
    return button;
  });
  const key = at < KEYED ? [make("kbd", { textContent: LABEL_KEYS[at] })] : [];
  return make("div", { attributes: { role: "group", "aria-label": name } }, make("span", {}, name, " ", ...key), ...buttons);
}

function drawBack(at) {
  const back = new URL(`../${from ?? ""}`, location.href);
  if (!from || !back.href.startsWith(new URL("..", location.href).href)) return;
  const report = /^reports\/([^.]+)\.html/.exec(from)?.[1];
  if (report && at >= 0) back.hash += `.${at}`; // the image itself
  $("back").hidden = false;
  $("back").href = back.href;
  $("back").textContent = report ? `← Back to ${report}` : "← Back";
}

// Lead to the neighbours in the list that one came from; else to those with the same error.
function drawSteps({ neighbours, manifest, prediction }) {
  const at = listed?.ids.indexOf(id) ?? -1;
  drawBack(at);
  const steps = at < 0 ? neighbours && { ...neighbours, title: `${manifest.label} predicted as ${prediction.label}` }
    : { place: at + 1, total: listed.ids.length, previous: listed.ids[at - 1], next: listed.ids[at + 1], title: listed.title };
  if (!steps || steps.total < 2) return;
  $("steps").hidden = false;
  setText("place", `${steps.place.toLocaleString("en")} of ${steps.total.toLocaleString("en")}: ${steps.title}`);
  if (steps.previous) $("previous").href = view(steps.previous);
  if (steps.next) $("next").href = view(steps.next);
}

// Draw again what a decision changes; return whether it has.
async function redraw() {
  const before = facts.decisions;
  facts = await read(`${id}/facts`);
  drawFacts();
  drawDeciding(facts);
  const isChanged = JSON.stringify(before) !== JSON.stringify(facts.decisions);
  if (isChanged && said) drawSaid(said);
  return isChanged;
}

async function decide(verb, label = "") {
  setText("decided", "Saving …");
  const saved = await post(`${id}/decide`, { verb, label, why: $("reason").value, window: tab });
  const answer = { yes: `${label} yes`, no: `${label} no`, unset: `${label} as it came` }[verb];
  setText("decided", saved && `Saved: ${answer ?? (label || verb)}.`);
  if (saved) await redraw();
}

async function undo() {
  const undone = await post(`../review/undo?window=${tab}`);
  if (!undone) return;
  const isThis = await redraw();
  setText("decided", undone.rows.length ? "Undone. " : "There is nothing to undo.");
  if (undone.rows.length && !isThis) $("decided").append(make("a", { href: `../review/open/${undone.rows[0]}`, textContent: "It was another image." }));
}

function showFull() {
  const picture = make("img", { src: `${id}/full`, alt: "The image in full size" });
  const button = make("button", { type: "button", textContent: "Close" });
  for (const part of [picture, button]) part.addEventListener("click", () => $("full").close());
  $("full").replaceChildren(button, picture);
  $("full").showModal();
}

async function drawHistory() {
  const place = $("uses");
  if (place.childElementCount || !$("history").open) return;
  place.replaceChildren(make("p", { className: "faint", textContent: "Searching the commits …" }));
  try {
    const { commits, runs, unavailable, runs_fault: fault } = await read(`${id}/history`);
    const uses = [...commits.map((each) => [`${each.date} `, make("code", { textContent: each.commit.slice(0, 8) }), ` ${each.subject} (${each.split}, ${each.label})`]),
      ...runs.map((each) => [`${each.date.slice(0, 10)} run ${each.name} (${each.split}, ${each.label})`])];
    place.replaceChildren(...(uses.length ? lines(uses) : [make("p", { textContent: "None yet." })]),
      ...[fault, unavailable && `Not searched: ${unavailable}`].filter(Boolean).map((text) => make("p", { className: "faint", textContent: text })));
  } catch (error) {
    trouble(place, error);
  }
}

// Ask the model now: an evaluation has no training images like it, and no prediction of new images.
async function ask(prediction) {
  setText("asking", "Asking the model …");
  try {
    const answer = await read(`${id}/answer`);
    setText("asking", "");
    const { threshold, explains } = answer;
    const sure = prediction && threshold !== null ? !prediction.unlike && prediction.probabilities[prediction.label] >= threshold : null;
    if (!prediction || answer.label) drawSaid(prediction ? { ...prediction, sure, explains } : answer);
    $("near").hidden = !answer.nearest.length;
    $("nearest").replaceChildren(similar(answer.nearest, view));
  } catch (error) {
    setText("asking", prediction ? error.message : "");
    if (!prediction) trouble($("said"), error);
  }
}

async function start() {
  $("picture").replaceChildren(figure(id, "The image"));
  $("picture").addEventListener("click", ({ target }) => { if (target.matches("img")) showFull(); });
  try {
    facts = await read(`${id}/facts`);
    drawFacts();
    if (facts.prediction) drawSaid(facts.prediction);
    drawDeciding(facts);
    drawSteps(facts);
    document.title = `${$("title").textContent} ${short(id)} · Pixmill`;
  } catch (error) {
    setText("alert", error.message);
    document.querySelector(".column + .column").hidden = true;
    drawSteps({}); // The list goes on, if a report knew the image.
    return;
  } finally {
    document.querySelector("main").setAttribute("aria-busy", "false");
  }
  await ask(facts.prediction);
}

const KEYS = { ArrowLeft: "previous", ArrowRight: "next", k: "keep", d: "drop", z: "undo", i: "enlarge" };
$("history").addEventListener("toggle", drawHistory);
for (const verb of ["keep", "drop"]) $(verb).addEventListener("click", () => decide(verb));
$("undo").addEventListener("click", undo);
$("enlarge").addEventListener("click", showFull);
addEventListener("keydown", ({ key, code, shiftKey, ctrlKey, metaKey, altKey, repeat, target }) => {
  if (ctrlKey || metaKey || altKey || repeat || target.closest("input, pre, dialog")) return;
  const digit = /^Digit([1-9])$/.exec(code)?.[1];
  if (facts?.cells && digit) $("classes").children[digit - 1]?.querySelectorAll("button")[Number(shiftKey)].click();
  else if (/^[1-9]$/.test(key)) $("classes").children[key - 1]?.click();
  else if (key in KEYS) $(KEYS[key]).click();
});
start();

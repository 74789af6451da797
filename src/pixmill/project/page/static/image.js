// The view of one image. All content is set as text: names, pages and labels are untrusted.
import { drawPrediction, figure, read, similar, trouble } from "./answer.js";
import { $, folded, make, setText, size } from "./tools.js";

const id = location.pathname.split("/").at(-1);
const view = (other) => other;
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

function drawFacts({ known, manifest, why, other, prediction, sightings, near_duplicates: twins, decisions, corrections }) {
  const { label, split, verdict, source, licence, author, snapshot, width, height, format, bytes } = manifest;
  setText("title", !known ? "An image that this project does not have" : label ?? (verdict ? "Conflicting labels" : "Without a label"));
  setText("lead", known ? [split && `${split} split`, verdict === "drop" && "dropped", format, width && `${width} × ${height} pixels`, bytes && size(bytes)].filter(Boolean).join(" · ") : "It was chosen to be tried, and is kept until the page ends.");
  $("facts").replaceChildren(
    ...row("Id", make("code", { className: "id", textContent: id })),
    ...(verdict === "drop" ? row("Dropped", why, ...(other ? [": ", image(other)] : [])) : []),
    ...row("Found", ...lines(sightings.map(sighting))),
    ...row("Licence", licence && address(licence)), ...row("Author", author), ...row("Snapshot", source === "folder" ? null : snapshot),
    ...row("Near-duplicates", ...lines(twins.map((twin) => [image(twin.id), ` similarity ${twin.similarity.toFixed(2)}`]))),
    ...row("Decisions", ...lines(decisions.map((each) => [[each.answer, each.label].filter(Boolean).join(" "), each.by && ` by ${each.by}`, each.why && `: ${each.why}`].filter(Boolean)))),
    ...row("Corrections", ...lines(corrections.map((each) => [each.label ?? "none of the classes", ` instead of ${each.prediction.label}, received ${each.received.slice(0, 10)}`]))),
  );
  if (known) {
    const [text, href, typed] = verdict || corrections.length
      ? ["Review this", `../review/?image=${id}`, `pixmill review ${short(id)}`] : ["Label this", "../review/#scope=unlabelled", "pixmill review --grid"];
    $("review").replaceChildren(make("a", { className: "button", href, textContent: text }), folded(typed));
    $("history").hidden = false;
  }
  if (!prediction) return;
  drawPrediction($("said"), id, $("picture").firstChild, prediction, label);
  setText("of", [prediction.loss !== null && `Loss ${prediction.loss.toFixed(2)}.`,
    prediction.held_out === false ? "The model was trained on this image." : prediction.held_out ? "By a model that was not trained on this image." : ""].filter(Boolean).join(" "));
}

function drawSteps({ place, total, previous, next }, { label }, said) {
  if (total < 2) return;
  $("steps").hidden = false;
  setText("place", `${place.toLocaleString("en")} of ${total.toLocaleString("en")}: ${label} predicted as ${said}`);
  if (previous) $("previous").href = view(previous);
  if (next) $("next").href = view(next);
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
async function ask(prediction, actual) {
  setText("asking", "Asking the model …");
  try {
    const answer = await read(`${id}/answer`);
    setText("asking", "");
    const { threshold, explains } = answer;
    const sure = prediction && threshold !== null ? !prediction.unlike && prediction.probabilities[prediction.label] >= threshold : null;
    if (!prediction || answer.label) drawPrediction($("said"), id, $("picture").firstChild, prediction ? { ...prediction, sure, explains } : answer, actual);
    $("near").hidden = !answer.nearest.length;
    $("nearest").replaceChildren(similar(answer.nearest, view));
  } catch (error) {
    setText("asking", prediction ? error.message : "");
    if (!prediction) trouble($("said"), error);
  }
}

async function start() {
  $("picture").replaceChildren(figure(id, "The image"));
  let facts;
  try {
    facts = await read(`${id}/facts`);
    drawFacts(facts);
    document.title = `${$("title").textContent} ${short(id)} · Pixmill`;
    if (facts.neighbours) drawSteps(facts.neighbours, facts.manifest, facts.prediction.label);
  } catch (error) {
    setText("alert", error.message);
    return;
  } finally {
    document.querySelector("main").setAttribute("aria-busy", "false");
  }
  await ask(facts.prediction, facts.manifest.label);
}

$("history").addEventListener("toggle", drawHistory);
addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey, target }) => {
  const link = { ArrowLeft: $("previous"), ArrowRight: $("next") }[key];
  if (link?.href && !(ctrlKey || metaKey || altKey) && !target.closest("input, pre")) link.click();
});
start();

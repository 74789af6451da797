// Show the state of the project.
import * as add from "./add.js";
import * as commit from "./commit.js";
import * as comparison from "./compare.js";
import * as exporting from "./export.js";
import * as model from "./model.js";
import * as params from "./params.js";
import * as serving from "./serve.js";
import * as tools from "./tools.js";
import * as tryOut from "./try.js";
import * as versions from "./versions.js";
import { $, alert, command, day, folded, linked, make, part, plain, post, setText, shown, size, some } from "./tools.js";

const MODULES = [comparison, params, commit, serving, exporting, versions, add, tryOut];

// Press the button that does what a command does; also scrolls there.
const press = (id) => () => { $(id).focus(); $(id).click(); };

// Lead to a part of the page, and open it.
const lead = (id) => () => {
  const place = $(id);
  for (const details of place.querySelectorAll(":scope > details")) details.open = true;
  place.scrollIntoView({ block: "center" });
  (place.querySelector("input:not([hidden])") ?? place.querySelector("button"))?.focus({ preventScroll: true });
};
const filled = (id) => () => $(id).childElementCount > 0;
const always = () => true;

// What the page itself can do about a step, by kind or command: label, whether it can, action.
const REVIEW = ["Review", always, () => location.assign("review/")];
const ACTIONS = {
  images: ["Add images", filled("add-part"), lead("add-part")],
  "more images": ["Add images", filled("add-part"), lead("add-part")],
  corrections: REVIEW,
  labels: REVIEW,
  commit: ["Commit", filled("commit-part"), lead("commit-part")],
  promote: ["Promote", filled("production-part"), lead("production-part")],
  "dvc repro": ["Start", always, press("start")],
  "pixmill compare": ["Compare", always, press("compare")],
  "pixmill serve --open": ["Try an image", filled("try-part"), lead("try-part")],
};

function stepActions({ kind, command: then }, show = command) {
  if (!then) return [];
  const [label, can, run] = ACTIONS[kind] ?? (kind === "series" ? [] : ACTIONS[then]) ?? [];
  if (!label || !can()) return [show(then)];
  const button = make("button", { type: "button", className: "good", textContent: label });
  button.addEventListener("click", run);
  return [make("div", { className: "actions" }, button, folded(then))];
}

function drawNext(steps) {
  const [first, ...others] = steps;
  $("next").replaceChildren(...linked(first.sentence));
  $("next-command").replaceChildren(...stepActions(first));
  $("then").hidden = !others.length;
  $("later").replaceChildren(...others.map((step) => make("li", {}, make("p", {}, ...linked(step.sentence)), ...stepActions(step, folded))));
}

// Screen readers announce steps, but not the progress within a stage.
function announceNext(step) {
  part("live", step.kind === "running" ? step.sentence.split(": ")[0] : step.sentence, (text) => { $("next-live").textContent = text; });
}

function stageRow(stage) {
  const item = make("li", {},
    make("span", { className: "name", textContent: stage.name }),
    make("span", { className: `status ${stage.status.replace(" ", "-")}`, textContent: stage.status }));
  const text = make("div", { className: "text" });
  if (stage.status === "running") text.textContent = stage.progress?.text ?? "";
  else if (stage.status === "failed") text.textContent = stage.text;
  else if (stage.status === "never run") text.textContent = "";
  else if (stage.reasons.length > 1) text.append(make("details", {},
    make("summary", { textContent: stage.text }),
    make("ul", {}, ...stage.reasons.map((reason) => make("li", { textContent: reason.text })))));
  else if (stage.reasons.length) text.textContent = stage.text;
  item.append(text);
  if (stage.status === "running" && stage.progress?.total) {
    item.append(make("progress", { max: stage.progress.total, value: stage.progress.count,
      attributes: { "aria-label": `${stage.name}: ${stage.progress.what}` } }));
  }
  return item;
}

// Redraw rows separately, so that expanded reasons stay open while another stage runs.
function drawStages(stages) {
  const list = $("stages");
  const names = stages.map((stage) => stage.name);
  part("stage names", names, () => {
    list.replaceChildren(...names.map(() => make("li")));
    names.forEach((_, number) => shown.delete(`stage ${number}`));
  });
  stages.forEach((stage, number) => part(`stage ${number}`, stage, () => list.children[number].replaceWith(stageRow(stage))));
}

function drawPipeline({ stages, pipeline, commands }) {
  const isAtWork = commands.some((each) => each.writes.length) || stages.some((stage) => stage.status === "running");
  const elsewhere = isAtWork && !pipeline.running;
  const due = stages.filter((stage) => !["fresh", "running"].includes(stage.status)).map((stage) => stage.name);
  const start = $("start");
  const stop = $("stop");
  const focused = document.activeElement;
  start.hidden = pipeline.running;
  start.disabled = pipeline.running || elsewhere || !due.length;
  stop.hidden = !pipeline.running;
  stop.disabled = pipeline.running && pipeline.stopped;
  // Keep the keyboard focus on the button that replaces the other.
  if (focused === start && start.hidden) stop.focus();
  if (focused === stop && stop.hidden) start.focus();
  setText("would", elsewhere ? "It runs in a terminal: press Ctrl-C there to stop it."
    : due.length ? `${pipeline.running ? "Still to run" : "Would run"}: ${due.join(", ")}.`
      : pipeline.running || !stages.length ? "" : "All stages are fresh.");
  // Stages that a run left undone may have run in a terminal since.
  const isUndone = due.length && (pipeline.stopped || pipeline.status);
  setText("ended", pipeline.running ? (pipeline.stopped ? "Stopping …" : "")
    : elsewhere ? "" : pipeline.status === 0 && !due.length ? "The run finished." : !isUndone ? ""
      : pipeline.stopped ? "The run was stopped." : "The run failed: see its output.");
}

const STAGES = ["scrape", "validate", "split", "train", "evaluate"];

function drawReports(names) {
  const link = (name) => make("a", { href: `reports/${name}`, textContent: name.replace(".html", "") });
  const isStage = (name) => STAGES.includes(name.replace(".html", ""));
  $("stage-links").replaceChildren(...STAGES.map((stage) => make("li", {}, names.includes(`${stage}.html`) ? link(`${stage}.html`) : stage)));
  $("reports").replaceChildren(...names.filter((name) => !isStage(name)).map((name) => make("li", {}, link(name))));
}

function drawData({ images, issues, corrections, hasModel, disk }) {
  const { classes, unlabelled } = images ?? { classes: [], unlabelled: 0 };
  const total = classes.reduce((sum, { count }) => sum + count, 0);
  const parts = [total && `${some(total, "image")} in ${some(classes.length, "class", "classes")}`, unlabelled && `${some(unlabelled, "image")} without a label`];
  setText("images", images ? parts.filter(Boolean).join(", ") || "No images yet." : "Reading …");
  // Before the first run, the counts stand beside the images above.
  $("counts").replaceChildren(...(hasModel ? classes : []).slice(0, 40).map(({ name, count }) => make("li", {}, `${name} `, make("span", { className: "faint", textContent: count.toLocaleString("en") }))));
  const open = [issues && some(issues, "label issue"), corrections && some(corrections, "correction")].filter(Boolean);
  setText("review-text", open.length ? `To review: ${open.join(", ")}.` : hasModel ? "No label issues to review." : "");
  $("review").hidden = !hasModel && !corrections;
  $("grid").hidden = !total && !unlabelled;
  const sizes = Object.entries(disk).filter(([, bytes]) => bytes).sort(([, one], [, other]) => other - one);
  const whole = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  setText("disk", sizes.length ? `Disk: ${size(whole)} (${sizes.slice(0, 3).map(([name, bytes]) => `${name} ${size(bytes)}`).join(", ")})` : "Disk: measuring …");
}

function drawChampion({ champion, fault, registry, isRead, hasModel }) {
  const since = champion && `In production: version ${champion.number}, since ${day(champion.at)}`;
  const none = isRead ? "No model is in production yet." : "Reading …";
  setText("champion", champion ? `In production: version ${champion.number} since ${day(champion.at)}` : isRead && hasModel && !fault ? "Nothing is in production yet." : "");
  setText("in-production", fault ? `Unknown: ${fault}` : champion ? `${since}${champion.by ? `, by ${champion.by.split(" <")[0]}` : ""}` : none);
  setText("registry", registry && `${registry[2].toUpperCase()}${registry.slice(3, -1)}.`); // without its parentheses
}

function drawState(all) {
  const { state, overview, pipeline } = all;
  part("fault", all.fault, (why) => alert(why && `The state cannot be read: ${why}`));
  if (state === null) return;
  document.title = `${all.project} · Pixmill`;
  setText("project", all.project);
  setText("git", [state.repository.branch, state.repository.text].filter(Boolean).join(": "));
  for (const module of MODULES) module.draw(all);
  model.draw(all);
  part("next", state.next, drawNext);
  announceNext(state.next[0]);
  drawStages(state.stages);
  const { log, ...run } = pipeline;
  part("pipeline", { stages: state.stages.map(({ name, status }) => ({ name, status })), pipeline: run, commands: state.commands }, drawPipeline);
  part("log", log, drawLog);
  part("reports", all.reports, drawReports);
  part("data", { images: overview.images, issues: state.doubtful_labels, corrections: state.corrections, hasModel: overview.model !== null, disk: state.disk }, drawData);
  part("champion", { champion: state.champion, fault: state.faults["model in production"], registry: state.registry, isRead: Object.keys(state.disk).length > 0, hasModel: overview.model !== null }, drawChampion);
  part("mlflow", { ...all.mlflow, waiting: state.waiting_runs }, ({ command: then, address, fault: why, waiting }) => {
    $("mlflow-text").replaceChildren(...(why ? [why] : waiting ? [`${some(waiting, "run")} wait to be sent to MLflow. `] : []),
      ...(address ? [make("a", { href: address, target: "_blank", rel: "noopener noreferrer", textContent: "Open your team's MLflow" })] : []));
    $("mlflow-command").replaceChildren(command(then));
  });
  const faults = Object.entries(state.faults);
  $("unknown").hidden = !faults.length;
  part("faults", faults, () => $("faults").replaceChildren(...faults.map(([name, why]) => make("li", { textContent: `${name}: ${why}` }))));
  document.querySelector("main").setAttribute("aria-busy", "false");
}

function drawLog(text) {
  const box = $("log");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
  box.textContent = plain(text);
  $("log-part").hidden = !text;
  if (atEnd) box.scrollTop = box.scrollHeight;
}

for (const place of document.querySelectorAll("[data-command]")) place.replaceWith(command(place.dataset.command));
for (const place of document.querySelectorAll("[data-folded]")) place.replaceWith(folded(place.dataset.folded));
for (const module of MODULES) module.setUp(tools);
$("start").addEventListener("click", () => post("pipeline/start"));
$("stop").addEventListener("click", async () => { $("stop").disabled = true; setText("ended", "Stopping …"); if (!await post("pipeline/stop")) $("stop").disabled = false; });

// Only a visible tab polls.
let timer = 0;
async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const answer = await fetch("state");
    drawState(await answer.json());
  } catch {
    alert("The server does not answer. If this persists, run again: pixmill open");
    shown.delete("fault"); // The next state clears the alert.
  }
  clearTimeout(timer);
  timer = setTimeout(poll, 1000);
}
document.addEventListener("visibilitychange", poll);
document.addEventListener("acted", poll);
poll();

// Show the state of the project.
import * as add from "./add.js";
import * as commit from "./commit.js";
import * as params from "./params.js";
import * as production from "./production.js";
import * as tools from "./tools.js";
import * as tryOut from "./try.js";
import { $, alert, command, make, part, percent, plain, post, setText, shown, size, some } from "./tools.js";

const MODULES = [params, commit, production, add, tryOut];

let opensComparison = false; // whether to open the report when the comparison is done

// Buttons that do the same as a command.
const shortcut = (selector, label) => () => {
  const button = make("button", { type: "button", className: "good", textContent: label });
  button.addEventListener("click", () => {
    const target = document.querySelector(selector);
    target.focus(); // also scrolls there
    target.click();
  });
  return button;
};
const ACTIONS = {
  "dvc repro": shortcut("#start", "Start"),
  "pixmill compare": shortcut("#compare", "Compare"),
};

function drawNext(steps) {
  const [first, ...others] = steps;
  // These steps need an action of the user before the run.
  const action = ["images", "series", "more images"].includes(first.kind) ? undefined : ACTIONS[first.command];
  setText("next", first.sentence);
  $("next-command").replaceChildren(...(first.command ? [command(first.command)] : []));
  if (action) $("next-command").firstChild.prepend(action());
  $("then").hidden = !others.length;
  $("later").replaceChildren(...others.map((step) => make("li", {},
    make("p", { textContent: step.sentence }), ...(step.command ? [command(step.command)] : []))));
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
  const isUndone = due.length && (pipeline.stopped || pipeline.status !== null);
  setText("ended", pipeline.running ? (pipeline.stopped ? "Stopping …" : "")
    : elsewhere ? "" : pipeline.status === 0 ? "The run finished." : !isUndone ? ""
      : pipeline.stopped ? "The run was stopped." : "The run failed: its output is below.");
}

function drawComparison({ running, status, log }) {
  $("compare").disabled = running;
  const page = "reports/compare.html";
  if (running) setText("compared", "Comparing …");
  else if (status) setText("compared", plain(log).trim().split("\n").slice(-12).join("\n"));
  else if (status === 0) {
    $("compared").replaceChildren(make("a", { href: page, target: "_blank", rel: "noopener", textContent: "Open the comparison" }));
    if (opensComparison) window.open(page, "_blank", "noopener");
  }
  if (!running && status !== null) opensComparison = false;
}

function drawState(all) {
  const { state, pipeline } = all;
  part("fault", all.fault, (why) => alert(why && `The state cannot be read: ${why}`));
  if (state === null) return;
  document.title = `${all.project} · Pixmill`;
  setText("project", all.project);
  setText("git", [state.repository.branch, state.repository.text].filter(Boolean).join(": "));
  part("next", state.next, drawNext);
  announceNext(state.next[0]);
  drawStages(state.stages);
  const { log, ...run } = pipeline;
  part("pipeline", { stages: state.stages.map(({ name, status }) => ({ name, status })), pipeline: run, commands: state.commands }, drawPipeline);
  part("log", log, drawLog);
  const when = state.is_fresh ? "" : " of the last evaluation:";
  setText("accuracy", state.accuracy ? `Test accuracy${when} ${percent(state.accuracy[0])} (${percent(state.accuracy[1])} to ${percent(state.accuracy[2])})` : "No results yet.");
  part("reports", all.reports, (names) => {
    $("reports").replaceChildren(...names.map((name) => make("li", {},
      make("a", { href: `reports/${name}`, target: "_blank", rel: "noopener", textContent: name.replace(".html", "") }))));
  });
  const reviews = [state.doubtful_labels && some(state.doubtful_labels, "label issue"), state.corrections && some(state.corrections, "correction")];
  setText("review-text", reviews.filter(Boolean).join(", ") || "Nothing to review.");
  const fault = state.faults["model in production"];
  setText("champion", fault ? `Unknown: ${fault}` : state.champion ? `In production: ${state.champion.name} version ${state.champion.number}` : !Object.keys(state.disk).length ? "Reading …" : `No model is in production yet${state.registry}.`);
  setText("repository", state.repository.text);
  setText("uncommitted", state.repository.images_and_decisions.text);
  part("uncommitted", state.repository.images_and_decisions, ({ text, command: then }) => {
    $("uncommitted-command").replaceChildren(...(text && then ? [command(then)] : []));
  });
  part("disk", state.disk, (disk) => {
    const sizes = Object.entries(disk).flatMap(([name, bytes]) => [make("dt", { textContent: name }), make("dd", { textContent: size(bytes) })]);
    $("disk").replaceChildren(...(sizes.length ? sizes : [make("dt", { textContent: "Measuring …" }), make("dd")]));
  });
  part("mlflow", { ...all.mlflow, waiting: state.waiting_runs }, ({ command: then, address, fault: why, waiting }) => {
    $("mlflow-text").replaceChildren(...(why ? [why] : waiting ? [`${some(waiting, "run")} wait to be sent. `] : []),
      ...(address ? [make("a", { href: address, target: "_blank", rel: "noopener noreferrer", textContent: "Open your team's MLflow" })] : []));
    $("mlflow-command").replaceChildren(command(then));
  });
  const faults = Object.entries(state.faults);
  $("unknown").hidden = !faults.length;
  part("faults", faults, () => $("faults").replaceChildren(...faults.map(([name, why]) => make("li", { textContent: `${name}: ${why}` }))));
  part("comparison", all.comparison, drawComparison);
  for (const module of MODULES) module.draw(all);
  document.querySelector("main").setAttribute("aria-busy", "false");
}

function drawLog(text) {
  const box = $("log");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
  box.textContent = plain(text);
  $("log-part").hidden = !text;
  if (atEnd) box.scrollTop = box.scrollHeight;
}

for (const module of MODULES) module.setUp(tools);
for (const place of document.querySelectorAll("[data-command]")) place.replaceWith(command(place.dataset.command));
$("start").addEventListener("click", async () => { if (await post("pipeline/start")) $("log-part").open = true; });
$("stop").addEventListener("click", async () => { $("stop").disabled = true; setText("ended", "Stopping …"); if (!await post("pipeline/stop")) $("stop").disabled = false; });
$("compare").addEventListener("click", () => { opensComparison = true; post("comparison/start"); });

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

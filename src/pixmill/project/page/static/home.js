// Show the state of the project.
import * as add from "./add.js";
import * as commit from "./commit.js";
import * as comparison from "./compare.js";
import * as exporting from "./export.js";
import * as model from "./model.js";
import * as params from "./params.js";
import * as serving from "./serve.js";
import * as sweep from "./sweep.js";
import * as tools from "./tools.js";
import * as tryOut from "./try.js";
import * as versions from "./versions.js";
import { $, alert, button, command, day, folded, linked, make, part, percent, plain, post, setText, shown, size, some } from "./tools.js";

const MODULES = [comparison, params, sweep, commit, serving, exporting, versions, add, tryOut];

const START = $("start"); // the one button that starts a run: of the next step, or else of the stages
const STOP = $("stop");

// Press the button that does what a command does; also scrolls there.
const press = (id) => () => { $(id).focus(); $(id).click(); };

// Lead to a part of the page, and open it.
function lead(place) {
  for (let outer = place.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
  for (const details of place.querySelectorAll(":scope > details:not(.as-command)")) details.open = true;
  place.scrollIntoView({ block: "center" });
  const control = place.matches("button") ? place : place.querySelector("input:not([hidden])") ?? place.querySelector("button, summary");
  control?.focus({ preventScroll: true });
}
const leadTo = (id) => () => lead($(id));

// Reports link to a part of this page, such as #commit-part, or to a card, such as #use.
function follow() {
  const name = CSS.escape(location.hash.slice(1));
  const place = name && document.querySelector(`#${name}, .card.${name}`);
  if (place) lead(place);
}
const filled = (id) => () => $(id).childElementCount > 0;
const always = () => true;

// Show the images without a label: those of a log alone, as they were drawn, since the answers judge a model.
let asked = {};
function label(sample = Object.keys(asked)[0]) {
  location.assign(sample ? `review/#scope=asked:${sample}&sort=${sample === "doubtful" ? "next" : "files"}` : "review/grid/");
}

const upgrade = async () => { if (await post("upgrade")) post("pipeline/start"); };

// What the page itself can do about a step, by kind or command: label, whether it can, action.
const REVIEW = ["Review", always, () => location.assign("review/")];
const PROMOTE = ["Promote", filled("production-part"), leadTo("production-part")];
const ACTIONS = {
  images: ["Add images", filled("add-part"), leadTo("add-part")],
  "more images": ["Add images", filled("add-part"), leadTo("add-part")],
  corrections: REVIEW,
  labels: REVIEW,
  unlabelled: ["Label", always, () => label()],
  commit: ["Commit", filled("commit-part"), leadTo("commit-part")],
  promote: PROMOTE,
  "dvc repro": ["Start", always, () => START.click()],
  "pixmill upgrade && dvc repro": ["Upgrade and start", always, upgrade],
  "dvc repro && pixmill promote": PROMOTE, // its results are committed
  "pixmill compare": ["Compare", always, press("compare")],
  "pixmill serve --open": ["Try an image", filled("try-part"), leadTo("try-part")],
};

// Return the button that does a step; nothing if only a command does it. Only the first step's is filled.
function stepButton({ kind, command: then }, isFirst) {
  const [text, can, run] = (then && (ACTIONS[kind] ?? (kind === "series" ? [] : look(then) ?? ACTIONS[then]))) ?? [];
  if (!text || !can()) return [];
  if (text === "Start") return [START];
  const button = make("button", { type: "button", textContent: text, className: isFirst ? "primary" : "" });
  button.addEventListener("click", run);
  return [button];
}

// What leads on in an alarm: people's labels, or another look at the log.
function look(then) {
  if (!then.startsWith("pixmill watch ")) return undefined;
  const [, option] = then.match(/ --(label|doubtful|accept)\b/) ?? [];
  const sample = { label: "random", doubtful: "doubtful" }[option];
  if (asked[sample]) return ["Label", always, () => label(sample)];
  return [sample ? "Draw images to label" : option ? "Accept the images" : "Look again", always, () => post("watch")];
}

function drawNext(steps) {
  const [first, ...others] = steps;
  $("next").replaceChildren(...linked(first.sentence));
  STOP.before(START); // unless it is the next step
  const button = stepButton(first, true);
  const commands = steps.map(({ command: then }) => then).filter(Boolean);
  const shownOnes = first.command && !button.length ? [command(commands.shift())] : [];
  $("next-command").replaceChildren(...shownOnes, make("div", { className: "actions" }, ...button, ...(commands.length ? [folded(...commands)] : [])));
  START.classList.toggle("primary", button.includes(START));
  $("then").hidden = !others.length;
  $("later").replaceChildren(...others.map((step) => make("li", {}, make("div", { className: "actions" }, make("span", {}, ...linked(step.sentence)), ...stepButton(step, false)))));
}

// Screen readers announce steps, but not the progress within a stage.
function announceNext(step) {
  part("live", step.kind === "running" ? step.sentence.split(/, about|\. |: /)[0] : step.sentence, (text) => { $("next-live").textContent = text; });
}

const WORDS = { fresh: "up to date", stale: "changed", "never run": "not run yet" };

function stageRow({ name, status, reasons }) {
  const causes = reasons.filter(({ kind }) => kind !== "stage");
  const word = status === "stale" && !causes.length ? "follows" : WORDS[status] ?? status;
  const item = make("li", {}, make("span", { className: "name", textContent: name }),
    make("span", { className: `status ${status.replace(" ", "-")}`, textContent: word }));
  if (status !== "stale" || !causes.length) return item;
  const [first, ...more] = causes.map(({ text }) => text);
  item.append(make("div", { className: "text" }, first, ...(more.length ? [make("details", {}, make("summary", { textContent: `and ${more.length} more` }), ...more.map((text) => make("p", { textContent: text })))] : [])));
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
  stages.forEach(({ name, status, reasons }, number) => part(`stage ${number}`, { name, status, reasons }, (stage) => list.children[number].replaceWith(stageRow(stage))));
}

// One bar over all stages of a run, or over the trials of a sweep.
function drawRun({ share, isAtWork }) {
  const bar = $("run");
  bar.hidden = !isAtWork;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

// The error of a run that failed, without what DVC adds.
const NOISE = /^(ERROR: failed to|Running stage|> |Use `dvc)|, skipping$|: stage \d of \d/;
const sayFailure = (log) => ["The run failed.", ...plain(log).trim().split("\n").filter((line) => line.trim() && !NOISE.test(line)).slice(-3)].join("\n");

function drawPipeline({ stages, pipeline, failure, isSweeping, isAtWork, isOwn }) {
  const due = stages.filter((stage) => !["fresh", "running"].includes(stage.status));
  START.hidden = isAtWork || !due.length;
  START.disabled = START.hidden;
  STOP.hidden = !isOwn;
  STOP.disabled = pipeline.running && pipeline.stopped;
  setText("elsewhere", isAtWork && !isOwn ? `${isSweeping ? "The sweep" : "It"} was started elsewhere, such as in a terminal: Ctrl-C there stops it.` : "");
  // Stages that a run left undone may have run in a terminal since.
  const isUndone = due.length && (pipeline.stopped || pipeline.status);
  setText("ended", pipeline.running ? (pipeline.stopped ? "Stopping …" : "")
    : isAtWork ? "" : pipeline.status === 0 && !due.length ? "The run finished." : !isUndone ? ""
      : pipeline.stopped ? "The run was stopped." : failure);
  if ($("ended").textContent.includes("Next: pixmill upgrade")) $("ended").append("\n", button("Upgrade and start", upgrade));
}

let lastShare = null;

function drawWork({ state, pipeline, sweep: job }) {
  const focused = document.activeElement.id;
  const run = state.run ?? (state.sweep && { share: state.sweep.total ? state.sweep.count / state.sweep.total : 0 });
  const isAtWork = pipeline.running || job.running || run !== null || state.commands.some((each) => each.writes.length > 0);
  // Between two stages, no stage runs; and a bar that goes back would be no comfort.
  lastShare = isAtWork && (run || lastShare !== null) ? Math.max(run?.share ?? 0, lastShare ?? 0) : null;
  const begins = pipeline.running ? "Starting the next stage …" : "Writing the results …";
  const waiting = { kind: "running", sentence: lastShare === null ? "Starting: looking for what has changed …" : begins, command: null };
  asked = state.pile.asked;
  const steps = (pipeline.running || job.running) && !run ? [waiting] : state.next;
  part("next", steps, drawNext);
  announceNext(steps[0]);
  drawStages(state.stages);
  part("run", { share: lastShare, isAtWork }, drawRun);
  const { log, ...rest } = pipeline;
  const stages = state.stages.map(({ name, status }) => ({ name, status }));
  part("pipeline", { stages, pipeline: rest, failure: pipeline.status ? sayFailure(log) : "", isSweeping: state.sweep !== null, isAtWork, isOwn: pipeline.running || job.running }, drawPipeline);
  part("log", log, drawLog);
  // Keep the keyboard focus on the button that moves, or replaces the other.
  if (focused === START.id || focused === STOP.id) (STOP.hidden ? START : STOP).focus();
}

function drawReports({ names, stages }) {
  const link = (name) => make("a", { href: `reports/${name}.html`, textContent: name });
  $("stage-links").replaceChildren(...stages.map((name) => make("li", {}, names.includes(name) ? link(name) : name)));
  const others = names.filter((name) => !stages.includes(name));
  $("reports").replaceChildren(...others.map((name) => make("li", {}, link(name))));
}

function drawData({ images, unlabelled, issues, corrections, hasModel, disk }) {
  const { classes, total: several } = images ?? { classes: [] };
  const total = several ?? classes.reduce((sum, { count }) => sum + count, 0); // an image may have several labels
  const parts = [total && `${some(total, "image")}${several === null ? ` in ${some(classes.length, "class", "classes")}` : ` with ${some(classes.length, "label")}`}`, unlabelled && `${some(unlabelled, "image")} without a label`];
  setText("images", images ? parts.filter(Boolean).join(", ") || "No images yet." : "Reading …");
  // Before the first run, the counts stand beside the images above.
  $("counts").replaceChildren(...(hasModel ? classes : []).slice(0, 40).map(({ name, count }) => make("li", {}, `${name} `, make("span", { className: "faint", textContent: count.toLocaleString("en") }))));
  const open = [issues && some(issues, "doubtful label"), corrections && some(corrections, "correction")].filter(Boolean);
  setText("review-text", open.length ? `To review: ${open.join(", ")}.` : hasModel ? "No doubtful labels to review." : "");
  $("review").hidden = !hasModel && !corrections;
  $("grid").hidden = !total && !unlabelled;
  const sizes = Object.entries(disk).filter(([, bytes]) => bytes).sort(([, one], [, other]) => other - one);
  const whole = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  setText("disk", sizes.length ? `Disk: ${size(whole)} (${sizes.slice(0, 3).map(([name, bytes]) => `${name} ${size(bytes)}`).join(", ")})` : "Disk: measuring …");
}

function drawChampion({ champion, accuracy, isLast, fault, registry, isRead }) {
  const name = champion && `In production: version ${champion.number}${accuracy === null ? "" : ` (${percent(accuracy)})`}`;
  const none = isRead ? "No model is in production yet." : "Reading …";
  setText("champion", champion && !isLast ? `Trained last, not in use yet. ${name}` : "");
  setText("in-production", fault ? `Unknown: ${fault}` : champion ? `${name}, since ${day(champion.at)}${champion.by ? `, by ${champion.by.split(" <")[0]}` : ""}` : none);
  setText("registry", registry && `${registry[2].toUpperCase()}${registry.slice(3, -1)}.`); // without its parentheses
}

function drawWatched({ watched, hasReport, job }) {
  $("watched").hidden = !watched;
  if (!watched) return;
  if (job.running) return setText("watched", "Looking at the log …");
  if (job.status > 1) alert(plain(job.log).trim());
  const { at, week, alarm: isAlarm, accuracy } = watched;
  const found = `${some(week, "image")}, ${isAlarm ? "alarm" : "no alarm"}${accuracy ? `, estimated accuracy ${(100 * accuracy.low).toFixed(0)} to ${percent(accuracy.high, 0)}` : ""}`;
  $("watched").className = isAlarm ? "warn" : "";
  $("watched").replaceChildren(`7 days to ${day(at)}: `, hasReport ? make("a", { href: "reports/watch.html", textContent: found }) : found);
}

function drawState(all) {
  const { state, overview } = all;
  part("fault", all.fault, (why) => alert(why && `The state cannot be read: ${why}`));
  if (state === null) return;
  document.title = `${all.project} · Pixmill`;
  setText("project", all.project);
  $("compare").textContent = `Compare with ${["main", "master"].includes(state.repository.branch) ? "your last commit" : "main"}`;
  // The same number as on the card that commits them.
  const changes = state.repository.text.replace(/\d+ files? changed|nothing changed/, (text) => (all.commit ? `${some(all.commit.paths.length, "file")} to commit` : text));
  setText("git", [state.repository.branch, changes.replace(/, (results (not )?committed|no remote)/g, "")].filter(Boolean).join(": "));
  for (const module of MODULES) module.draw(all);
  model.draw(all);
  drawWork(all);
  part("reports", { names: all.reports.map((name) => name.replace(".html", "")), stages: state.stages.map(({ name }) => name) }, drawReports);
  part("data", { images: overview.images, unlabelled: state.pile.waiting, issues: state.doubtful_labels, corrections: state.corrections, hasModel: overview.model !== null, disk: state.disk }, drawData);
  const isLast = state.is_promoted && overview.history.at(-1)?.commit !== null; // no newer results
  part("champion", { champion: state.champion, accuracy: all.champion_accuracy, isLast, fault: state.faults["model in production"], registry: state.registry, isRead: Object.keys(state.disk).length > 0 }, drawChampion);
  part("watched", { watched: state.watched, hasReport: all.reports.includes("watch.html"), job: all.watch }, drawWatched);
  part("mlflow", { ...all.mlflow, waiting: state.waiting_runs }, ({ command: then, address, fault: why, waiting }) => {
    $("mlflow-text").replaceChildren(...(why ? [why] : waiting ? [`${some(waiting, "run")} still to be sent to MLflow. `] : []),
      ...(address ? [make("a", { href: address, target: "_blank", rel: "noopener noreferrer", textContent: "Open your team's MLflow" })] : []));
    $("mlflow-command").replaceChildren(command(then));
  });
  const faults = Object.entries(state.faults);
  $("unknown").hidden = !faults.length;
  part("faults", faults, () => $("faults").replaceChildren(...faults.map(([name, why]) => make("li", { textContent: `${name}: ${why}` }))));
  const main = document.querySelector("main");
  if (main.getAttribute("aria-busy") === "false") return;
  main.setAttribute("aria-busy", "false");
  follow();
}

function drawLog(text) {
  const box = $("log");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
  box.textContent = plain(text);
  $("log-part").hidden = !text;
  if (atEnd) box.scrollTop = box.scrollHeight;
}

for (const place of document.querySelectorAll("[data-command]")) place.replaceWith(command(place.dataset.command));
for (const module of MODULES) module.setUp(tools);
START.addEventListener("click", () => post("pipeline/start"));
STOP.addEventListener("click", async () => {
  STOP.disabled = true;
  setText("ended", "Stopping …");
  if (!await post(sweep.isRunning() ? "sweep/stop" : "pipeline/stop")) STOP.disabled = false;
});
window.addEventListener("hashchange", follow);

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

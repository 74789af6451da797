// Try other settings: how many models, and about how long it takes.
import { $, button, make, part, plain, post } from "./tools.js";

let job = { running: false };

export const isRunning = () => job.running;

// A trial takes at most as long as the training did: the images are prepared already.
function sayCost(trials, seconds) {
  if (!seconds) return "Train once first, to see how long it takes.";
  const minutes = Math.max(1, Math.round(trials * seconds / 60));
  return `At most about ${minutes} minutes: the last training took ${Math.round(seconds)} s. Finished models are kept if you stop.`;
}

export function setUp() {
  const trials = make("input", { id: "trials", type: "number", min: 1, max: 1000, value: 20, required: true });
  const form = make("form", {},
    make("div", { className: "field" }, make("label", { htmlFor: "trials", textContent: "How many models to try?" }), trials),
    make("p", { id: "sweep-cost", className: "faint" }),
    make("p", { className: "actions" }, make("button", { id: "sweep", type: "submit", textContent: "Look for better settings" })));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    post("sweep/start", { trials: trials.valueAsNumber });
  });
  trials.addEventListener("input", () => { $("sweep-cost").textContent = sayCost(trials.valueAsNumber || 0, Number(trials.dataset.seconds)); });
  $("sweep-part").replaceChildren(
    make("details", {}, make("summary", { textContent: "Find better params" }), form),
    make("p", { id: "swept", className: "said-last", attributes: { role: "status" } }),
    make("div", { id: "sweep-apply", hidden: true }));
  offer();
}

const show = (...parts) => {
  $("sweep-apply").replaceChildren(...parts);
  $("sweep-apply").querySelector("button").focus();
};

function offer(said = "") {
  $("sweep-apply").replaceChildren(make("p", { className: "actions" }, button("Use the best params …", preview), make("span", { className: "faint", textContent: said })));
}

// Show what using the best trial changes, before anything is changed.
async function preview({ target }) {
  target.disabled = true;
  const found = await post("sweep/best");
  if (!found) return offer();
  if (!found.changes.length) return offer("You use them already.");
  const use = async () => offer(await post("sweep/use", { number: found.number }) ? "They are in use. Train with them." : "");
  show(make("ul", {}, ...found.changes.map((text) => make("li", { textContent: text }))),
    make("p", { className: "actions" }, button("Use these params", use, { className: "good" }), button("Cancel", () => offer())));
}

export function draw(all) {
  job = all.sweep;
  const { state, pipeline, reports } = all;
  const train = state.stages.find(({ name }) => name === "train");
  const isDue = state.stages.some(({ name, status }) => ["scrape", "validate", "split"].includes(name) && status !== "fresh");
  const isBusy = pipeline.running || state.run !== null || state.sweep !== null || job.running;
  part("sweep", { job, isBusy, isDue, seconds: train?.seconds, isReady: train?.status === "fresh", hasReport: reports.includes("sweep.html") }, ({ isReady, seconds, hasReport }) => {
    $("sweep-part").firstChild.hidden = !seconds && !isReady; // nothing to search yet
    $("sweep").disabled = isBusy || isDue;
    $("sweep-apply").hidden = isBusy || !hasReport;
    $("trials").dataset.seconds = seconds ?? "";
    $("trials").dispatchEvent(new Event("input"));
    if (isDue) $("sweep-cost").textContent = "Train first: the images have changed.";
    const log = job.running || job.status === null ? "" : plain(job.log).trim();
    const said = log && job.stopped ? "Stopped. Finished models are kept." : job.status ? log.split("\n").slice(-3).join("\n") : log.match(/^Of .*/m)?.[0];
    const report = make("a", { href: "reports/sweep.html", textContent: "See the trials" });
    $("swept").replaceChildren(...(said ? [said] : []), ...(said && hasReport ? [" ", report] : []));
  });
}

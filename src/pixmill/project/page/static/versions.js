// The versions in production: list them, go back to one, promote the last commit. Each move has a reason.
import { $, day, make, part, percent, plain, points, post } from "./tools.js";

let last = ""; // the job that was started or seen last
let isPending = false; // whether its end is awaited
let listed = ""; // the model in production when the versions were read

async function start(event, name, content) {
  event.preventDefault();
  last = name;
  isPending = await post(name === "promotion" ? "promote" : "rollback", content) !== null;
}

export function setUp() {
  const reason = make("input", { id: "reason", type: "text", autocomplete: "off", attributes: { "aria-describedby": "reason-about" } });
  const accept = make("input", { id: "accept", type: "checkbox" });
  const form = make("form", {},
    make("div", { className: "field whole" }, make("label", { htmlFor: "reason", textContent: "Reason" }), reason,
      make("p", { id: "reason-about", className: "faint", textContent: "Kept with the version." })),
    make("p", { id: "accept-row", hidden: true }, make("label", {}, accept, " Promote it nevertheless, for this reason")),
    make("p", { className: "actions" }, make("button", { id: "promote", type: "submit", className: "good", textContent: "Promote the last commit" })));
  form.addEventListener("submit", (event) => {
    if (accept.checked && !reason.value.trim()) { event.preventDefault(); reason.focus(); return; }
    start(event, "promotion", { because: reason.value, accept: accept.checked });
    accept.checked = false;
  });
  $("production-part").replaceChildren(
    make("details", {}, make("summary", { textContent: "Versions" }), form, $("promotion-rules"), make("ol", { id: "versions", className: "versions" })),
    make("p", { id: "promoted", className: "said-last", hidden: true, attributes: { role: "status" } }));
}

const person = (text) => text?.split(" <")[0];

function returnForm(number, isLater) {
  const label = isLater ? "Use this one again" : "Go back to this one";
  const reason = make("input", { type: "text", required: true, autocomplete: "off", attributes: { "aria-label": `Why use version ${number}` }, placeholder: "Why, such as: worse on dark photographs" });
  const form = make("form", {}, reason, make("p", { className: "actions" }, make("button", { type: "submit", className: "bad", textContent: `Use version ${number}` })));
  form.addEventListener("submit", (event) => start(event, "rollback", { because: reason.value, version: number }));
  return make("details", {}, make("summary", { textContent: label }), form);
}

function versionRow(version, now, history) {
  const { version: number, metrics: { accuracy: only, mean_average_precision: precision }, commit, by, because, taken_back: gone, promoted } = version;
  const isNow = number === now;
  const head = make("p", {}, make("strong", { textContent: `Version ${number}` }), isNow ? ", in production" : "",
    (only ?? precision) ? `: ${percent((only ?? precision)[0])} (${points((only ?? precision)[1])} to ${points((only ?? precision)[2])})` : "");
  const subject = history.find((each) => each.commit === commit)?.subject;
  const facts = [subject ?? (commit && `commit ${commit.slice(0, 7)}`), `promoted ${day(promoted)}${by ? ` by ${person(by)}` : ""}${because ? `: ${because}` : ""}`,
    gone && `replaced by version ${gone.version} on ${day(gone.at)}${gone.because ? `: ${gone.because}` : ""}`];
  return make("li", {}, head, make("p", { className: "faint", textContent: facts.filter(Boolean).join(" · ") }), ...(isNow ? [] : [returnForm(number, number > now)]));
}

async function list(champion, history) {
  const answer = await fetch("versions").catch(() => null);
  const { versions, error } = answer ? await answer.json() : { error: "The server does not answer." };
  if (error) listed = ""; // asked again with the next state
  $("versions").replaceChildren(...(error ? [make("li", { textContent: error })] : versions.map((each) => versionRow(each, champion.number, history))));
}

export function draw({ promotion, rollback, reports, state, overview }) {
  const jobs = { promotion, rollback };
  last = Object.keys(jobs).find((each) => jobs[each].running) ?? last;
  const name = last;
  const job = jobs[name];
  // Before the first committed results, there is nothing to promote.
  $("production-part").firstChild.hidden = !state.champion && !overview.history.some(({ commit }) => commit);
  const now = JSON.stringify(state.champion);
  if (now !== listed && state.champion) {
    listed = now;
    list(state.champion, overview.history);
  }
  part("production", { name, job, hasReport: reports.includes("promote.html") }, ({ hasReport }) => {
    const isRunning = promotion.running || rollback.running;
    for (const button of $("production-part").querySelectorAll("[type=submit]")) button.disabled = isRunning;
    $("accept-row").hidden = !(name === "promotion" && job?.status && job.log.includes("--accept-"));
    $("promoted").hidden = !job || (!job.running && job.status === null);
    if ($("promoted").hidden) return;
    if (isPending && job.status === 0) {
      isPending = false;
      $("reason").value = "";
    }
    const log = plain(job.log).trim();
    const text = job.running ? (name === "promotion" ? "Promoting …" : "Going back …")
      : job.status === 0 && name === "rollback" ? log.replace(/.*is version (\d+) again.*/, "Version $1 is in production again.")
      : job.status ? log.replace(/\nNext:.* --accept-.*/, "").replace(/^pixmill: /m, "").split("\n").slice(-8).join("\n") : log.slice(Math.max(0, log.search(/^Promoted/m))); // with warnings after it
    const report = make("a", { href: "reports/promote.html", textContent: "Open the comparison" });
    $("promoted").replaceChildren(text, ...(!job.running && name === "promotion" && hasReport ? ["\n", report] : []));
  });
}

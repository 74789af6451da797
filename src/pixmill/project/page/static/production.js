// Promote, and roll back, with a reason.
import { $, command, folded, make, part, plain, post } from "./tools.js";

let last = ""; // the job that was started or seen last
let isPending = false; // whether its end is awaited

async function start(event, name, content) {
  event.preventDefault();
  last = name;
  isPending = await post(name === "promotion" ? "promote" : "rollback", content) !== null;
}

export function setUp() {
  const reason = make("input", { id: "reason", type: "text", autocomplete: "off", attributes: { "aria-describedby": "reason-about" } });
  const accept = make("input", { id: "accept", type: "checkbox" });
  const back = make("button", { id: "roll-back", type: "button", className: "bad", textContent: "Roll back" });
  const form = make("form", {},
    make("div", { className: "field whole" }, make("label", { htmlFor: "reason", textContent: "Reason" }), reason,
      make("p", { id: "reason-about", className: "faint", textContent: "Stored with the version. Rolling back needs one." })),
    make("p", { id: "accept-row", hidden: true }, make("label", {}, accept, " Promote it nevertheless, for this reason")),
    make("p", { className: "actions" }, make("button", { id: "promote", type: "submit", className: "good", textContent: "Promote the last commit" }), back));
  form.addEventListener("submit", (event) => {
    if (accept.checked && !reason.value.trim()) { event.preventDefault(); reason.focus(); return; }
    start(event, "promotion", { because: reason.value, accept: accept.checked });
    accept.checked = false;
  });
  back.addEventListener("click", (event) => {
    reason.setCustomValidity(reason.value.trim() ? "" : "Say why, such as: worse on dark photographs");
    if (reason.reportValidity()) start(event, "rollback", { because: reason.value });
  });
  reason.addEventListener("input", () => reason.setCustomValidity(""));
  const commands = folded('pixmill promote --because "REASON"');
  commands.append(command('pixmill rollback --because "REASON"'));
  $("production-part").replaceChildren(
    make("details", {}, make("summary", { textContent: "Promote or roll back" }), form,
      commands),
    make("p", { id: "promoted", className: "said-last", hidden: true, attributes: { role: "status" } }));
}

export function draw({ promotion, rollback, reports, state, overview }) {
  const jobs = { promotion, rollback };
  last = Object.keys(jobs).find((each) => jobs[each].running) ?? last;
  const name = last;
  const job = jobs[name];
  // Before the first committed results, there is nothing to promote.
  $("production-part").firstChild.hidden = !state.champion && !overview.history.some(({ commit }) => commit);
  part("production", { name, job, hasReport: reports.includes("promote.html"), champion: Boolean(state.champion) }, ({ hasReport, champion }) => {
    const isRunning = promotion.running || rollback.running;
    $("promote").disabled = isRunning;
    $("roll-back").disabled = isRunning || !champion;
    $("accept-row").hidden = !(name === "promotion" && job?.status && job.log.includes("--accept-"));
    $("promoted").hidden = !job || (!job.running && job.status === null);
    if ($("promoted").hidden) return;
    if (isPending && job.status === 0) {
      isPending = false;
      $("reason").value = "";
    }
    const log = plain(job.log).trim();
    const text = job.running ? (name === "promotion" ? "Promoting …" : "Rolling back …")
      : job.status ? log.replace(/\nNext:.* --accept-.*/, "").replace(/^pixmill: /m, "").split("\n").slice(-8).join("\n") : log.slice(Math.max(0, log.search(/^(Promoted|Rolled back)/m))); // with warnings after it
    const report = make("a", { href: "reports/promote.html", textContent: "Open the comparison" });
    $("promoted").replaceChildren(text, ...(!job.running && name === "promotion" && hasReport ? ["\n", report] : []));
  });
}

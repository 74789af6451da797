// Compare two revisions, and open the report.
import { $, make, part, plain, post, setText } from "./tools.js";

const REPORT = "reports/compare.html";
let opens = false; // whether to open the report when the comparison is done

export function compare(path = "comparison/start") {
  opens = true;
  post(path);
}

export function setUp() {
  $("compare").addEventListener("click", () => compare());
}

export function draw({ comparison, overview }) {
  $("compare").hidden = !overview.history.some(({ commit }) => commit); // nothing to compare with
  part("comparison", comparison, ({ running, status, log }) => {
    $("compare").disabled = running;
    if (running) setText("compared", "Comparing …");
    else if (status) setText("compared", plain(log).trim().split("\n").slice(-12).join("\n"));
    else if (status === 0) {
      $("compared").hidden = false;
      $("compared").replaceChildren(make("a", { href: REPORT, textContent: "Open the comparison" }));
      if (opens) location.assign(REPORT);
    }
    if (!running && status !== null) opens = false;
  });
}

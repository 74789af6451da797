// The history: accuracy over the last commits. A point opens what can be done with it.
import { compare } from "./compare.js";
import { $, button, day, make, part, percent, plain, points, post, setText, some } from "./tools.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT] = [300, 110, 34];

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const scoreOf = ({ accuracy, mean_average_precision: precision }) => accuracy ?? precision;
const sayPoint = ({ commit, at, subject, low, high, ...point }) =>
  `${commit ? `${subject} (${commit.slice(0, 7)})` : "Not committed"}, ${day(1000 * at)}: ${percent(scoreOf(point))} (${points(low)} to ${points(high)})`;

function drawChart(history) {
  const bottom = Math.min(...history.map(({ low }) => low));
  const top = Math.max(...history.map(({ high }) => high), bottom + 0.01);
  const y = (value) => 8 + (HEIGHT - 16) * (top - value) / (top - bottom);
  const step = (WIDTH - LEFT) / history.length;
  const x = (number) => LEFT + step * (number + 0.5);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", preserveAspectRatio: "none" });
  for (const value of [top, bottom]) {
    chart.append(svg("line", { class: "rule", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
  }
  chart.append(svg("polyline", { class: "trend", points: history.map((point, number) => `${x(number)},${y(scoreOf(point))}`).join(" ") }));
  history.forEach(({ low, high, ...point }, number) => chart.append(
    svg("line", { class: "whisker", x1: x(number), x2: x(number), y1: y(low), y2: y(high) }),
    svg("line", { class: number === history.length - 1 ? "point last" : "point", x1: x(number), x2: x(number), y1: y(scoreOf(point)), y2: y(scoreOf(point)) })));
  const said = make("p", { className: "said faint" });
  const say = (point) => { said.textContent = sayPoint(point); };
  say(history[history.length - 1]);
  const buttons = history.map((point) => {
    const place = button("", () => choose(point, history), { attributes: { "aria-label": `${sayPoint(point)}. Compare, or go back` } });
    for (const event of ["focus", "mouseenter"]) place.addEventListener(event, () => say(point));
    return place;
  });
  $("chart").replaceChildren(
    make("h3", { textContent: "Over the last commits" }),
    make("div", { className: "chart" }, chart,
      make("span", { className: "top faint", textContent: points(top) }), make("span", { className: "bottom faint", textContent: points(bottom) }),
      make("div", { className: "points", attributes: { role: "group", "aria-label": `${history[0].accuracy === undefined ? "Mean average precision" : "Accuracy"} over the last commits` } }, ...buttons)),
    said);
}

const show = (...children) => {
  $("point").replaceChildren(...children);
  $("point").hidden = !children.length;
};

function choose(point, history) {
  const isLast = point === history[history.length - 1];
  const name = point.commit ?? "workspace";
  show(
    make("strong", { textContent: point.commit ? `${point.subject} (${point.commit.slice(0, 7)})` : "Not committed" }),
    make("p", { className: "actions" },
      button(isLast ? "Compare with the one before" : "Compare with it", () => compare(`history/${name}/compare`)),
      ...(point.commit ? [button("Go back to it …", () => plan(point.commit))] : []),
      button("Close", () => show())));
  $("point").querySelector("button").focus();
}

// Show what going back changes, before anything is changed.
async function plan(commit) {
  const found = await post(`history/${commit}/plan`);
  const close = button("Cancel", () => show());
  if (!found) return; // The alert says why.
  const waits = found.obstacles.length > 0;
  const [now, then] = found.files;
  const take = make("input", { type: "checkbox" });
  show(
    make("strong", { textContent: `Go back to ${found.title}?` }),
    make("ul", {},
      ...(now !== then ? [make("li", { textContent: `${some(then, "file")} in data/ instead of ${now.toLocaleString("en")}` })] : []),
      make("li", { textContent: "Params, model and results are as they were" }),
      make("li", { textContent: "All that was made since stays in the history: go back to a later point to get it again" })),
    ...(found.decisions ? [make("p", {}, make("label", {}, take, ` Also take back the ${some(found.decisions, "decision")} made since`))] : []),
    ...(waits ? [make("p", { textContent: "Before that, so that nothing is lost:" }), make("ul", {}, ...found.obstacles.map((text) => make("li", { textContent: text })))] : []),
    make("p", { className: "actions" },
      ...(waits ? [button("Look again", () => plan(commit))] : []),
      button("Go back", async () => { if (await post(`history/${commit}/return`, { take_back: take.checked })) show(); }, { className: "good", disabled: waits }), close));
  close.focus();
}

function drawReturn({ running, status, log }) {
  setText("returning", running ? "Going back: restoring images and model …"
    : status ? `Images and model are not restored: ${plain(log).trim().split("\n").pop().replace(/\.? Use `-f`.*/, "")}. Go back to the same point again.` : "");
}

export function draw({ overview: { history, day_before: before }, state, going_back: going }) {
  $("history").hidden = history.length < 2 && !before;
  $("chart").hidden = history.length < 2;
  part("history", history, () => { if (history.length > 1) drawChart(history); });
  const isToday = before && (before.commits || state.repository.changed.length);
  part("undo today", isToday && before, () => $("undo-today").replaceChildren(...(isToday ? [button("Undo today …", () => plan(before.commit))] : [])));
  part("returning", going, drawReturn);
}

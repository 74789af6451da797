// The model: its figures, history, classes and confusions; before the first run, the images of each class.
import { compare } from "./compare.js";
import { $, day, make, part, percent, points, setText, some } from "./tools.js";

// A thumbnail that leads to the image's own view; without one, a plain picture.
function picture({ id, predicted }, label, { linked = true } = {}) {
  const text = predicted === undefined ? label : `${label}, predicted ${predicted}`;
  const image = make("img", { src: `thumbnail/${id}`, alt: text, title: text, loading: "lazy" });
  image.addEventListener("error", () => image.classList.add("lost"));
  if (!linked) return image;
  return make("a", { href: `image/${id}`, className: predicted === undefined ? "" : "wrong" }, image);
}

const strip = (name, note, images, options) => make("div", { className: "class" },
  make("p", {}, make("strong", { textContent: name, title: name }), make("span", { className: "faint", textContent: note })),
  make("div", { className: "strip" }, ...images.map((image) => picture(image, name, options))));

function drawClasses({ model, images }) {
  const left = model ?? images ?? { classes: [], omitted: 0 };
  const strips = model
    ? model.classes.map(({ name, f1, support, images: shown }) => strip(name, `F1 ${f1.toFixed(2)} · ${some(support, "image")}`, shown))
    : left.classes.map(({ name, count, images: ids }) => strip(name, some(count, "image"), ids.map((id) => ({ id })), { linked: false }));
  if (left.omitted) {
    strips.push(make("p", { className: "faint", textContent: model
      ? `The ${model.classes.length} classes with the lowest F1; ${some(left.omitted, "other")} in the report.`
      : `${some(left.omitted, "more class", "more classes")}.` }));
  }
  $("classes").replaceChildren(...strips);
  $("classes").classList.toggle("many", strips.length > 6);
}

function drawConfusions(confusions) {
  $("confusions").hidden = !confusions.length;
  $("confusions").replaceChildren(make("h3", { textContent: "Confused most often" }), ...confusions.map(({ id, label, predicted, count }) =>
    make("a", { className: "confusion", href: count > 1 ? `review/grid/#${new URLSearchParams({ scope: "errors", label, predicted })}` : `image/${id}` },
      make("img", { src: `thumbnail/${id}`, alt: "", loading: "lazy" }),
      make("span", {}, make("strong", { textContent: label }), " taken for ", make("strong", { textContent: predicted }),
        make("span", { className: "faint", textContent: some(count, "image") })))));
}

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT] = [300, 110, 34];

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const sayPoint = ({ commit, at, subject, accuracy, low, high }) =>
  `${commit ? commit.slice(0, 7) : "Not committed"}, ${day(1000 * at)}: ${percent(accuracy)} (${points(low)} to ${points(high)})${subject ? `, ${subject}` : ""}`;

// Accuracy with its interval over the commits. A button over each point compares it with the one before.
function drawHistory(history) {
  const box = $("history");
  box.hidden = history.length < 2;
  if (box.hidden) return;
  const bottom = Math.min(...history.map(({ low }) => low));
  const top = Math.max(...history.map(({ high }) => high), bottom + 0.01);
  const y = (value) => 8 + (HEIGHT - 16) * (top - value) / (top - bottom);
  const step = (WIDTH - LEFT) / history.length;
  const x = (number) => LEFT + step * (number + 0.5);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", preserveAspectRatio: "none" });
  for (const value of [top, bottom]) {
    chart.append(svg("line", { class: "rule", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
  }
  chart.append(svg("polyline", { class: "trend", points: history.map(({ accuracy }, number) => `${x(number)},${y(accuracy)}`).join(" ") }));
  history.forEach(({ accuracy, low, high }, number) => chart.append(
    svg("line", { class: "whisker", x1: x(number), x2: x(number), y1: y(low), y2: y(high) }),
    svg("line", { class: number === history.length - 1 ? "point last" : "point", x1: x(number), x2: x(number), y1: y(accuracy), y2: y(accuracy) })));
  const said = make("p", { className: "said faint" });
  const say = (point) => { said.textContent = sayPoint(point); };
  say(history[history.length - 1]);
  const buttons = history.map((point, number) => {
    const before = history[number - 1];
    const action = before ? ` Compare with ${before.commit.slice(0, 7)}` : "";
    const button = make("button", { type: "button", title: action.trim(), attributes: { "aria-label": `${sayPoint(point)}.${action}` } });
    if (!before) button.setAttribute("aria-disabled", "true");
    else button.addEventListener("click", () => compare(`history/${point.commit ?? "workspace"}/compare`));
    for (const event of ["focus", "mouseenter"]) button.addEventListener(event, () => say(point));
    return button;
  });
  box.replaceChildren(
    make("h3", { textContent: "Over the last commits" }),
    make("div", { className: "chart" }, chart,
      make("span", { className: "top faint", textContent: points(top) }), make("span", { className: "bottom faint", textContent: points(bottom) }),
      make("div", { className: "points", attributes: { role: "group", "aria-label": "Accuracy over the last commits" } }, ...buttons)),
    said);
}

// Why the figures may not be those of what is here now.
function sayAge(state, pipeline, isKept) {
  if (pipeline.running || state.stages.some(({ status }) => status === "running")) return "These are the last model's figures, until the run has new ones.";
  if (isKept) return "The last run did not finish. These are the figures of the model before it.";
  return state.is_fresh ? "" : "From the last evaluation; something has changed since.";
}

export function draw({ state, overview, comparison, moved, pipeline }) {
  const { model, history, images } = overview;
  $("model").classList.toggle("plain", !model); // no mistakes yet, and nothing to try
  const has = Boolean(model?.accuracy);
  $("result").hidden = !has;
  if (has) {
    const { accuracy, low, high } = model.accuracy;
    setText("accuracy", percent(accuracy));
    setText("interval", `${points(low)} to ${percent(high)} at 95 % confidence, on ${some(model.n, "test image")}`);
    setText("moved", moved ? `Since ${moved.since}: ${moved.sentence}` : "");
    setText("majority", model.majority ? `Always answering ${model.majority.label}: ${percent(model.majority.share)}` : "");
    setText("stale", sayAge(state, pipeline, model.is_kept));
  }
  const classes = images?.classes.length ?? 0;
  setText("model-empty", has ? "" : classes ? "No model yet." : images ? "No images yet. Add some under Data." : "Reading the project …");
  part("classes", { model: model && { classes: model.classes, omitted: model.omitted }, images: model ? null : images }, drawClasses);
  part("confusions", model?.confusions ?? [], drawConfusions);
  part("history", history, drawHistory);
  setText("comparing", comparison.running ? "Comparing …" : "");
}

// The model: its figures, history, classes and confusions; before the first run, the images of each class.
import * as history from "./history.js";
import { $, make, part, percent, points, setText, some } from "./tools.js";

// A thumbnail that leads to the image's own view; without one, a plain picture.
function picture({ id, predicted }, label, { linked = true } = {}) {
  const text = predicted === undefined ? label : predicted === "missed" ? `${label}, missed` : `${label}, predicted ${predicted}`;
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
    ? model.classes.map(({ name, f1, average_precision: average, support, images: shown }) => strip(name, `${f1 === undefined ? `AP ${average.toFixed(2)}` : `F1 ${f1.toFixed(2)}`} · ${some(support, "image")}`, shown))
    : left.classes.map(({ name, count, images: ids }) => strip(name, some(count, "image"), ids.map((id) => ({ id })), { linked: false }));
  if (left.omitted) {
    strips.push(make("p", { className: "faint", textContent: model
      ? `The ${model.classes.length} ${model.classes[0].f1 === undefined ? "labels with the lowest average precision" : "classes with the lowest F1"}; ${some(left.omitted, "other")} in the report.`
      : `${some(left.omitted, "more class", "more classes")}.` }));
  }
  $("classes").replaceChildren(...strips);
  $("classes").classList.toggle("many", strips.length > 6);
}

// With several labels an image, the answers about one that are missed, or too much.
function drawErrors(errors) {
  $("confusions").hidden = !errors.length;
  $("confusions").replaceChildren(make("h3", { textContent: "Wrong most often" }), ...errors.map(({ id, label, predicted, count }) =>
    make("a", { className: "confusion", href: `image/${id}` },
      make("img", { src: `thumbnail/${id}`, alt: "", loading: "lazy" }),
      make("span", {}, make("strong", { textContent: label }), ` ${predicted}`, make("span", { className: "faint", textContent: some(count, "image") })))));
}

function drawConfusions(confusions) {
  $("confusions").hidden = !confusions.length;
  $("confusions").replaceChildren(make("h3", { textContent: "Confused most often" }), ...confusions.map(({ id, label, predicted, count }) =>
    make("a", { className: "confusion", href: count > 1 ? `review/grid/#${new URLSearchParams({ scope: "errors", label, predicted })}` : `image/${id}` },
      make("img", { src: `thumbnail/${id}`, alt: "", loading: "lazy" }),
      make("span", {}, make("strong", { textContent: label }), " taken for ", make("strong", { textContent: predicted }),
        make("span", { className: "faint", textContent: some(count, "image") })))));
}

// Why the figures may not be those of what is here now.
function sayAge(state, pipeline, isKept) {
  if (pipeline.running || state.stages.some(({ status }) => status === "running")) return "These are the last model's figures, until the run has new ones.";
  if (isKept) return "The last run did not finish. These are the figures of the model before it.";
  return state.is_fresh ? "" : "From the last evaluation; something has changed since.";
}

export function draw(all) {
  const { state, overview, comparison, moved, pipeline } = all;
  const { model, images } = overview;
  $("model").classList.toggle("plain", !model); // no mistakes yet, and nothing to try
  const ofLabels = model?.mean_average_precision; // with several labels an image
  const has = Boolean(model?.accuracy ?? ofLabels);
  $("result").hidden = !has;
  if (has) {
    const { low, high } = model.accuracy ?? ofLabels;
    setText("accuracy", percent(model.accuracy ? model.accuracy.accuracy : ofLabels.mean_average_precision));
    setText("metric", model.accuracy ? "test accuracy" : "mean average precision on test images");
    setText("interval", `${points(low)} to ${percent(high)} at 95 % confidence, on ${some(model.n, "test image")}`);
    setText("moved", moved ? `${moved.sentence} Compared with “${moved.since}”.` : "");
    setText("majority", model.majority ? `Always answering ${model.majority.label}: ${percent(model.majority.share)}`
      : ofLabels ? `All labels right: ${percent(model.exact_match)} of images. Without a model: ${percent(model.baseline)}` : "");
    setText("stale", sayAge(state, pipeline, model.is_kept));
  }
  const classes = images?.classes.length ?? 0;
  setText("model-empty", has ? "" : classes ? "No model yet." : images ? "No images yet. Add some under Data." : "Reading the project …");
  part("classes", { model: model && { classes: model.classes, omitted: model.omitted }, images: model ? null : images }, drawClasses);
  part("confusions", model?.confusions ?? [], ofLabels ? drawErrors : drawConfusions);
  history.draw(all);
  setText("comparing", comparison.running ? "Comparing …" : "");
}

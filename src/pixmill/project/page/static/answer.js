// What the model says about an image, and why: bars, heatmap and similar training images.
import { command, make, percent } from "./tools.js";

const MAX_BARS = 6; // shown at first

// Return the JSON at an address; throws the problem as a sentence.
export async function read(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("The server does not answer. If it has stopped, run again: pixmill open");
  }
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let problem = { error: text.trim() };
  try { problem = JSON.parse(text); } catch { /* plain text */ }
  throw new Error(`${problem.error}${problem.next ? `\nNext: ${problem.next}` : ""}`);
}

// Return the picture of the image at an address, with a line of text below it.
export function figure(address, name) {
  const image = make("img", { src: `${address}/picture`, alt: name });
  const text = make("figcaption", { className: "faint" });
  const place = make("figure", { className: "picture" }, image, text);
  image.addEventListener("error", () => {
    image.remove();
    place.prepend(make("p", { className: "nothing", textContent: "The image cannot be shown." }));
  }, { once: true });
  return place;
}

// Return a bar for each class, highest first. With `onPick`, a bar is a button; it is called with the name.
function bars(probabilities, onPick) {
  const list = make("ol", { className: "bars", attributes: { "aria-label": "Probability of each class" } });
  const order = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  for (const [number, [name, p]] of order.entries()) {
    const bar = make("span", { className: "bar" });
    bar.style.width = `${100 * p}%`;
    const inside = [make("span", { className: "name", textContent: name }), make("span", { className: "track" }, bar), make("span", { className: "value", textContent: percent(p) })];
    const row = onPick ? make("button", { type: "button", title: `Where does it look like ${name}?`, attributes: { "aria-pressed": "false" } }, ...inside) : make("div", {}, ...inside);
    if (onPick) row.addEventListener("click", () => onPick(name, row));
    list.append(make("li", { hidden: number >= MAX_BARS }, row));
  }
  if (order.length <= MAX_BARS) return [list];
  const all = make("button", { type: "button", textContent: `Show all ${order.length}` });
  all.addEventListener("click", () => {
    for (const row of list.children) row.hidden = false;
    all.remove();
  });
  return [list, all];
}

// Return a function that shows the heatmap of a class in place of the picture, or the picture again.
function heatmaps(address, place) {
  const [image, text] = [place.querySelector("img"), place.querySelector("figcaption")];
  return async (name, button) => {
    const isOn = button.getAttribute("aria-pressed") === "true";
    for (const other of button.closest(".bars").querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
    if (!image) return;
    if (isOn) {
      image.src = `${address}/picture`;
      text.textContent = "";
      return;
    }
    button.setAttribute("aria-pressed", "true");
    text.textContent = "Finding where the model looked …";
    try {
      const { heatmap } = await read(`${address}/heatmap?label=${encodeURIComponent(name)}`);
      if (button.getAttribute("aria-pressed") !== "true") return;
      image.src = heatmap;
      text.textContent = `Evidence for ${name}, strongest in red. Press the bar again for the image.`;
    } catch (error) {
      button.setAttribute("aria-pressed", "false");
      text.textContent = error.message;
    }
  };
}

// Draw a prediction: `label`, `probabilities`, and what else is known of `sure`, `unlike`, `explains`, `message` and `model`.
// `actual` is the image's label, if it has one; `cells` are, with several labels an image, those that are known.
export function drawPrediction(place, address, picture, prediction, actual = null, cells = null) {
  const { label, labels, probabilities, sure, unlike, explains, reason, message, model } = prediction;
  if (!label) {
    place.replaceChildren(make("p", { textContent: `There is no prediction: ${message ?? reason}` }));
    return;
  }
  const badges = [];
  if (cells && labels) {
    const wrong = Object.entries(cells).filter(([name, has]) => name in labels && labels[name] !== has);
    badges.push(...(wrong.length ? wrong.map(([name, has]) => [`${has ? "Missed" : "Too much"}: ${name}`, "bad"]) : [["Right", "good"]]));
  } else if (actual !== null && !labels) badges.push(actual === label ? ["Right", "good"] : [`The label says ${actual}`, "bad"]);
  if (unlike) badges.push(["Unlike the training images", "warn"]);
  else if (sure !== null && sure !== undefined) badges.push(sure ? ["Sure", ""] : ["Not sure", "warn"]);
  place.replaceChildren(
    make("p", { className: "answer" }, make("strong", { textContent: label }), label in probabilities && !labels ? ` ${percent(probabilities[label])}` : "",
      ...badges.map(([text, kind]) => make("span", { className: `badge ${kind}`, textContent: text }))),
    ...(unlike ? [make("p", { className: "faint", textContent: "Predictions of such images are unreliable." })] : []),
    ...bars(probabilities, explains && heatmaps(address, picture)),
    ...(explains ? [make("p", { className: "faint", textContent: "Press a bar to see where the model looked." })] : []),
    ...(model ? [make("p", { className: "faint", textContent: `Answered by ${model}.` })] : []));
}

// Return the most similar training images, each a link to its own view.
export function similar(nearest, view) {
  return make("ul", { className: "nearest" }, ...nearest.map(({ id, label, similarity, thumbnail }) =>
    make("li", {}, make("a", { href: view(id), className: "plain" }, make("img", { src: thumbnail, alt: `Training image: ${label}` }), label), make("span", { className: "faint", textContent: similarity.toFixed(2) }))));
}

// Show a problem, with its next command to copy.
export function trouble(place, { message }) {
  const [text, next] = message.split("\nNext: ");
  const isCommand = /^(pixmill|dvc|git) [^,;()]*$/.test(next ?? "");
  place.replaceChildren(make("p", { className: "trouble", attributes: { role: "alert" }, textContent: next && !isCommand ? message : text }), ...(isCommand ? [command(next)] : []));
}

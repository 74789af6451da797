// Try images on the project's model: choose, drop or paste them.
import { drawPrediction, figure, read, similar, trouble } from "./answer.js";
import { make } from "./tools.js";

const MAX_TRIALS = 8; // shown at once
const view = (id) => `image/${id}`;

async function attempt(list, file) {
  const [picture, said, more] = [make("div"), make("div", { attributes: { role: "status" } }), make("div")];
  const close = make("button", { type: "button", textContent: "Close", attributes: { "aria-label": `Close ${file.name}` } });
  const trial = make("div", { className: "trial" }, make("p", { className: "actions" }, make("strong", { textContent: file.name }), close), picture, said, more);
  close.addEventListener("click", () => trial.remove());
  list.prepend(trial);
  for (const old of [...list.children].slice(MAX_TRIALS)) old.remove();
  said.textContent = "Asking the model …";
  trial.scrollIntoView({ block: "nearest" });
  try {
    const { id } = await read("try", { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
    picture.replaceChildren(figure(view(id), file.name));
    const [answer, { known, manifest }] = await Promise.all([read(`${view(id)}/answer`), read(`${view(id)}/facts`)]);
    drawPrediction(said, view(id), picture.firstChild, answer, manifest.label);
    more.replaceChildren(
      ...(known ? [make("p", { textContent: `The project has this image${manifest.split ? `, in the ${manifest.split} split` : ""}.` })] : []),
      ...(answer.nearest.length ? [make("p", { className: "faint", textContent: "Most similar training images" }), similar(answer.nearest, view)] : []),
      make("p", {}, make("a", { href: view(id), textContent: "Open this image" })));
  } catch (error) {
    trouble(said, error);
  }
}

export function setUp() {
  const place = document.getElementById("try-part");
  const list = make("div", { className: "trials" });
  const input = make("input", { type: "file", accept: "image/*,.heic,.heif,.avif,.tif,.tiff", multiple: true, hidden: true });
  const button = make("button", { type: "button", textContent: "Choose images" });
  const zone = make("div", { className: "drop actions" }, button, make("span", { className: "faint", textContent: "or drop or paste one here" }), input);
  const take = async (files) => { for (const file of files) await attempt(list, file); };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
  for (const [name, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      event.stopPropagation(); // The page takes files elsewhere as new images.
      zone.classList.toggle("over", isOver);
      if (name === "drop") take([...event.dataTransfer.files]);
    });
  }
  document.addEventListener("paste", ({ clipboardData, target }) => {
    if (!target.closest("input, textarea")) take([...clipboardData.files]);
  });
  place.hidden = true;
  place.replaceChildren(zone);
  place.closest("section").append(list);
}

// Before the first evaluation there is no model to try. A later one removes its results for a while.
export function draw({ overview }) {
  if (overview.model) document.getElementById("try-part").hidden = false;
}

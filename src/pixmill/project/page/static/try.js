// Try images on the project's model: one here, several in a gallery. Choose, drop or paste them.
import { add } from "./add.js";
import { drawPrediction, figure, read, similar, trouble } from "./answer.js";
import { begun, make, post, some } from "./tools.js";
import { chosen, dropped, picker } from "./uploads.js";

const view = (id) => `image/${id}`;
const MOST = 100_000; // files of a gallery

async function attempt(list, file) {
  const [picture, said, more] = [make("div"), make("div", { attributes: { role: "status" } }), make("div")];
  const close = make("button", { type: "button", textContent: "Close", attributes: { "aria-label": `Close ${file.name}` } });
  const trial = make("div", { className: "trial" }, make("p", { className: "actions" }, make("strong", { textContent: file.name }), close), picture, said, more);
  close.addEventListener("click", () => trial.remove());
  list.prepend(trial);
  said.textContent = "Asking the model …";
  trial.scrollIntoView({ block: "nearest" });
  try {
    const { id } = await read("try", { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
    picture.replaceChildren(figure(view(id), file.name));
    const [answer, { known, manifest, cells }] = await Promise.all([read(`${view(id)}/answer`), read(`${view(id)}/facts`)]);
    drawPrediction(said, view(id), picture.firstChild, answer, manifest.label, cells);
    more.replaceChildren(
      ...(known ? [make("p", { textContent: `The project has this image${manifest.split ? `, in the ${manifest.split} split` : ""}.` })] : []),
      ...(answer.nearest.length ? [make("p", { className: "faint", textContent: "Most similar training images" }), similar(answer.nearest, view)] : []),
      make("p", {}, make("a", { href: view(id), textContent: "Open this image" })));
  } catch (error) {
    trouble(said, error);
  }
}

const said = make("p", { className: "trouble", attributes: { role: "status" } });
const earlier = make("ul", { id: "galleries" });

// List the galleries that are kept.
async function drawEarlier() {
  try {
    const { galleries } = await read("predictions");
    earlier.replaceChildren(...galleries.map(({ name, files }) => {
      const title = `${some(Math.max(files, name.split("-")[1]), "image")}, ${begun(name)}`;
      const remove = make("button", { type: "button", textContent: "Delete", attributes: { "aria-label": `Delete ${title}` } });
      remove.addEventListener("click", async () => {
        if (confirm(`Delete the answers to ${title}, and the copies of the images? Your own files stay.`)) await post(`predictions/${name}/delete`);
        drawEarlier();
      });
      return make("li", {}, make("a", { href: `predictions/${name}`, textContent: title }), remove);
    }));
  } catch { /* The page says elsewhere that the server does not answer. */ }
}

// Show many images in place of this page, which goes on sending them.
async function openGallery(files) {
  const { Gallery } = await import("./gallery.js");
  const { name } = await post("predictions", { files: files.length }) ?? {};
  if (!name) return; // It has said why.
  const place = make("main", { className: "gallery" });
  const style = make("link", { rel: "stylesheet", href: "review/static/tiles.css", nonce: document.querySelector("script[nonce]").nonce });
  document.head.append(style);
  await new Promise((resolve) => style.addEventListener("load", resolve));
  document.body.append(place);
  const show = () => {
    place.hidden = location.hash !== `#${name}`;
    document.body.classList.toggle("shows-gallery", document.querySelector("body > .gallery:not([hidden])") !== null);
  };
  history.pushState(null, "", `#${name}`);
  addEventListener("popstate", () => { show(); drawEarlier(); });
  show();
  new Gallery(place, "", name, () => history.back()).add(files.values());
}

// A zip of corrections ends with the name of its list.
const isCorrections = async (file) => (await file.slice(-1000).text()).includes("corrections.json");

async function take(trials, source) {
  said.textContent = "Reading the files …";
  try {
    const files = [];
    for await (const [path, file] of source) if (!/(^|\/)\./.test(path)) files.push([path, file]);
    said.textContent = files.length ? "" : "There are no files in it.";
    if (files.length > MOST) said.textContent = `These are ${files.length.toLocaleString("en")} files, and a gallery takes ${MOST.toLocaleString("en")}: choose one folder after another.`;
    else if (files.length === 1 && await isCorrections(files[0][1])) add(files.values(), "");
    else if (files.length === 1) await attempt(trials, files[0][1]);
    else if (files.length) await openGallery(files);
  } catch (error) {
    said.textContent = error.message;
  }
}

export function setUp() {
  const place = document.getElementById("try-part");
  const trials = make("div", { className: "trials" });
  const open = (source) => take(trials, source);
  const zone = make("div", { className: "drop actions" }, ...picker("Choose images", { accept: "image/*,.zip,.heic,.heif,.avif,.tif,.tiff" }, open), ...picker("Choose a folder", { webkitdirectory: "" }, open),
    make("span", { className: "faint", textContent: "or drop or paste them, or a zip of corrections" }));
  for (const [name, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(name, (event) => {
      zone.classList.toggle("over", isOver && !event.defaultPrevented);
      if (event.defaultPrevented || !event.dataTransfer.types.includes("Files")) return; // another part takes it
      event.preventDefault();
      if (name === "drop") open(dropped(event));
    });
  }
  document.addEventListener("paste", ({ clipboardData, target }) => {
    if (!target.closest("input, textarea") && clipboardData.files.length) open(chosen([...clipboardData.files]));
  });
  place.hidden = true;
  place.replaceChildren(zone, said, earlier);
  place.closest("section").append(trials);
  // Reloaded while a gallery was shown.
  if (/^#\d{8}T\d{6}-\d+-[0-9a-f]{8}$/.test(location.hash)) location.replace(`predictions/${location.hash.slice(1)}`);
  else drawEarlier();
}

// Before the first evaluation there is no model to try. A later one removes its results for a while.
export function draw({ overview }) {
  if (overview.model) document.getElementById("try-part").hidden = false;
}

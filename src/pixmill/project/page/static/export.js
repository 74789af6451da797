// Export the model for a phone, a web page, Python or MLflow, and show how to use the file.
import { $, command, day, make, part, plain, post } from "./tools.js";

const TARGETS = [
  ["html", "One file", "model.html, which anyone can open in a browser, without a network or an installation: drop images on it, or use the camera. Send it on a stick, by a link, or, if it is small enough, by mail. On an Android phone, download it and open it with Chrome; an iPhone runs it only from a web server."],
  ["html-small", "One file, smaller", "model_small.html, the same with weights of half precision: two thirds of the size. What that costs is measured."],
  ["litert", "Phone", "model.tflite, with the answers of the model itself. Android apps run it with LiteRT, iPhone apps with LiteRT for iOS (TensorFlowLiteSwift). There is no Core ML file."],
  ["int8", "Phone, small and fast", "model_int8.tflite, for the same phones: about a third of the size, but some predictions change. How many is measured, which takes a minute, or many with a large network."],
  ["onnx", "Web page", "model.onnx, which ONNX Runtime Web runs in a visitor's browser; also for OpenVINO and TensorRT."],
  ["keras", "Python", "model.keras, to predict with Keras, or to train on. Without TensorFlow, the phone's file is smaller: pip install ai-edge-litert."],
  ["mlflow", "MLflow", "Nothing to export: MLflow has each version in production, and loads it by name."],
];

let chosen = "html";
let job = { running: false };
let all = {}; // the last state

// What the model card of an export says, which `pixmill export` has written.
function readCard(text) {
  const [, ...pieces] = text.split(/^## (.+)\n/m);
  const section = (name) => pieces[pieces.indexOf(name) + 1] ?? "";
  const rows = [...section("Files").matchAll(/^\| (.+) \|$/gm)].map(([, row]) => row.split(" | "));
  return {
    ...Object.fromEntries((rows[0] ?? []).map((heading, number) => [heading, rows[1][number]])),
    steps: [...section("Preprocessing").matchAll(/^\d\. (.+)$/gm)].map(([, step]) => step.replaceAll("`", "")),
    code: [...section("Use").matchAll(/^```python\n([\s\S]*?)^```/gm)].map(([, code]) => code).join("\n"),
  };
}

export function setUp() {
  const options = TARGETS.map(([name, text]) => {
    const radio = make("input", { type: "radio", name: "export-to", value: name, checked: name === chosen });
    radio.addEventListener("change", () => { chosen = name; show(); });
    return make("label", { className: "target" }, radio, text);
  });
  const button = make("button", { id: "export", type: "button", className: "good", textContent: "Export" });
  button.addEventListener("click", () => post("export", { form: chosen }));
  $("export-part").replaceChildren(make("details", { hidden: true }, make("summary", { textContent: "As one file, for an app or a program" }),
    make("fieldset", {}, make("legend", { className: "unseen", textContent: "Export for" }), make("div", { className: "targets" }, ...options)),
    make("p", { id: "export-about" }), make("p", { className: "actions" }, button), make("p", { id: "export-said", className: "said-last", attributes: { role: "status" } }), make("div", { id: "exported" })));
}

function agreement(found) {
  const largest = Math.max(0.001, found["largest difference"]).toFixed(3);
  const same = found["same answers"] ? `the same answers for ${found["same answers"]}` : `the same class for ${found["same class"]}`;
  return `Compared with the model on test images: ${same}, probabilities within ${largest}. Accuracy ${found.accuracy} (change: ${found.change}).`;
}

// Mails grow by 37 %, and many providers allow 25 MB.
const forMail = ({ size }, form) => (parseFloat(size) <= 18 ? "Small enough for a mail." : `Too large for many mails: ${form === "html" ? "export it as “One file, smaller”, or " : ""}share a link to it.`);

async function drawExport(form) {
  const answer = await fetch(`exported/${form}/README.md`);
  const card = readCard(await answer.text());
  const link = (name) => make("a", { href: `exported/${form}/${name}`, download: name, textContent: name });
  if (form !== chosen) return;
  $("exported").replaceChildren(
    ...(card.file ? [make("p", {}, `Exported ${day(answer.headers.get("last-modified"))}: `, link(card.file), ` (${card.size}), `, link("labels.txt"), ", ", link("README.md")),
      make("p", { textContent: agreement(card) })] : []),
    ...(form.startsWith("html") ? [make("p", { textContent: forMail(card, form) })] : [make("details", {}, make("summary", { textContent: "Prepare the images for it" }), make("ol", {}, ...card.steps.map((step) => make("li", { textContent: step }))),
      make("p", { className: "faint", textContent: "In another language do the same: resizing in another way is the usual cause of wrong answers." })),
    make("details", {}, make("summary", { textContent: "Code in Python" }), command(card.code, "the code"))]));
}

function drawMlflow() {
  const { state: { champion }, mlflow } = all;
  if (!champion) return [make("p", { textContent: "No version is in production yet: promote one under Versions." })];
  const store = mlflow.address ?? mlflow.command.split(" ").pop();
  return [command(`import mlflow\n\nmlflow.set_tracking_uri("${store}")\nclassifier = mlflow.pyfunc.load_model("models:/${champion.name}@champion")\nprint(classifier.predict([open("photo.jpg", "rb").read()]))`, "the code")];
}

function said() {
  const lines = plain(job.log).trim().split("\n");
  if (job.running) return lines.at(-1) || "Starting …";
  return job.status ? lines.slice(-4).join("\n").replace(/^pixmill: /, "") : "";
}

function show() {
  $("export-about").textContent = TARGETS.find(([name]) => name === chosen)[2];
  const lack = chosen.startsWith("html") ? all.runtime : null;
  $("export").hidden = chosen === "mlflow" || lack !== null;
  const isDone = all.exported.includes(chosen);
  $("export").textContent = isDone ? "Export again" : "Export";
  $("exported").replaceChildren(...(chosen === "mlflow" ? drawMlflow() : lack ? [make("p", { textContent: `${lack.why}. In a terminal:` }), command(lack.next)] : []));
  if (isDone && !job.running) drawExport(chosen);
}

export function draw(state) {
  all = state;
  $("export-part").firstChild.hidden = state.overview.model === null;
  job = state.export;
  $("export").disabled = job.running;
  $("export-said").textContent = said();
  part("export", [job.running, state.exported, state.runtime, state.state.champion], show);
}

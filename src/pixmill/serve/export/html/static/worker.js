// Decode images and run the networks, apart from the page, which stays responsive.

import { cells } from './cells.js';
import createRuntime from './glue.js';
import { Tensor, loadAndCompile, loadLiteRt } from './litert.js';
import { fit } from './fit.js';
import { decode, isDisturbed, Unreadable } from './pixels.js';
import { embedded } from './wasm.js';

let model;
let networks;

// Undo `_pack` of page.py: base64 of gzip of the first bytes of all words, then the second ones, and so on.
async function unpack(text, words) {
  const slowly = (binary) => new Uint8Array(binary.length).map((_, at) => binary.charCodeAt(at)); // in older browsers
  const packed = Uint8Array.fromBase64?.(text) ?? slowly(atob(text));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (!words) return planes;
  const quarter = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane += 1) {
    const source = planes.subarray(plane * quarter, (plane + 1) * quarter);
    for (let at = 0, to = plane; at < quarter; at += 1, to += 4) bytes[to] = source[at];
  }
  return bytes;
}

async function open({ description, runtime, networks: texts }) {
  model = description;
  Object.assign(embedded, { create: createRuntime, binary: await unpack(runtime, false) });
  const [, ...unpacked] = await Promise.all([loadLiteRt('embedded.js'), ...texts.map((text) => unpack(text, true))]);
  networks = [];
  for (const network of unpacked) networks.push(await loadAndCompile(network, { accelerator: 'wasm' }));
  return { changed: await isDisturbed() };
}

// Return the outputs of a network by name.
async function run(network, values) {
  const [{ shape }] = network.getInputDetails();
  const input = new Tensor(values, [1, ...shape.slice(1)]); // the first side may be open
  const outputs = await network.run([input]);
  input.delete();
  const named = network.getOutputDetails().map(({ name }, at) => [name, outputs[at].toTypedArray().slice()]);
  outputs.forEach((output) => output.delete());
  return Object.fromEntries(named);
}

function normalised(values) {
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

function softmax(values) {
  const most = Math.max(...values);
  return normalised(values.map((value) => Math.exp(value - most)));
}

// As `Classifier` and `Calibration`: probabilities pass through 32 bits before the temperature.
function calibrated(outputs) {
  const { temperature } = model.calibration;
  const raw = [...(outputs.logits ?? outputs.probabilities ?? Object.values(outputs)[0])];
  const logits = outputs.probabilities ? raw.map((value) => Math.fround(Math.log(Math.max(value, 2 ** -126)))) : raw;
  const even = normalised(softmax(logits).map(Math.fround));
  return temperature ? softmax(even.map((value) => Math.log(Math.max(value, Number.EPSILON)) / temperature)) : even;
}

function answer(outputs) {
  const { threshold, novelty_limit: limit } = model.calibration;
  const probabilities = calibrated(outputs);
  const best = probabilities.indexOf(Math.max(...probabilities));
  const confidence = probabilities[best];
  const unlike = outputs.novelty && limit !== null ? !(outputs.novelty[0] <= limit) : null;
  const sure = threshold === null ? null : confidence >= threshold;
  return {
    label: model.classes[best],
    confidence,
    sure: unlike ? false : sure,
    unlike,
    probabilities: Object.fromEntries(model.classes.map((name, at) => [name, probabilities[at]])),
  };
}

async function predict(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const pixels = fit(await decode(bytes, model.preprocessing), model.preprocessing);
  let values = Float32Array.from(pixels.filter((_, at) => at % 4 < 3)); // without alpha
  let outputs;
  for (const network of networks) {
    outputs = await run(network, values);
    values = outputs.features;
  }
  return model.labels ? cells(outputs, model) : answer(outputs);
}

postMessage({ ready: true });
const tasks = { open, predict };
let last = Promise.resolve();

addEventListener('message', ({ data: { id, task, given } }) => {
  const reply = (content) => postMessage({ id, ...content });
  last = last.then(() => tasks[task](given)).then(
    (found) => reply({ found }),
    (error) => reply(error instanceof Unreadable ? { found: { reason: error.message } } : { error: String(error) }),
  );
});

// PNG files of every kind (W3C, Portable Network Graphics), with all bits: browsers reduce 16 to 8, and multiply by alpha.

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]; // Adam7: x, y and their steps

function chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { data: [] };
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (name === 'IDAT') found.data.push(content);
    else if (['IHDR', 'PLTE', 'tRNS', 'eXIf', 'IEND'].includes(name)) found[name] ??= content;
    at += 12 + length;
  }
  return found;
}

async function inflate(parts, length) {
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  const raw = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('truncated');
    raw.set(value.subarray(0, length - at), at);
    at += value.length;
  }
  await reader.cancel();
  return raw;
}

function paeth(left, above, corner) {
  const guess = left + above - corner;
  const [x, y, z] = [left, above, corner].map((each) => Math.abs(guess - each));
  if (x <= y && x <= z) return left;
  return y <= z ? above : corner;
}

// Undo the filters of a pass, in place; each line begins with the number of its filter.
function unfilter(raw, start, lines, length, step) {
  for (let line = 0; line < lines; line += 1) {
    const at = start + line * (length + 1);
    const filter = raw[at];
    const before = at - length - 1;
    for (let byte = 1; byte <= length; byte += 1) {
      const left = byte > step ? raw[at + byte - step] : 0;
      const above = line ? raw[before + byte] : 0;
      const corner = line && byte > step ? raw[before + byte - step] : 0;
      if (filter === 1) raw[at + byte] += left;
      else if (filter === 2) raw[at + byte] += above;
      else if (filter === 3) raw[at + byte] += (left + above) >> 1;
      else if (filter === 4) raw[at + byte] += paeth(left, above, corner);
    }
  }
}

// Return the samples of a file, `channels` a pixel, of its own depth, and what is needed to show them.
export async function readPng(bytes) {
  const { IHDR, PLTE, tRNS, eXIf, IEND, data } = chunks(bytes);
  if (!IEND) throw new Error('truncated');
  const view = new DataView(IHDR.buffer, IHDR.byteOffset, 13);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [depth, colour, , , interlaced] = IHDR.subarray(8);
  const channels = CHANNELS[colour];
  const passes = (interlaced ? PASSES : [[0, 0, 1, 1]])
    .map(([x, y, right, down]) => ({ x, y, right, down, columns: Math.ceil((width - x) / right), rows: Math.ceil((height - y) / down) }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0)
    .map((pass) => ({ ...pass, length: Math.ceil(pass.columns * channels * depth / 8) }));
  const raw = await inflate(data, passes.reduce((sum, { rows, length }) => sum + rows * (length + 1), 0));
  const samples = depth === 16 ? new Uint16Array(width * height * channels) : new Uint8Array(width * height * channels);
  let start = 0;
  for (const { x, y, right, down, columns, rows, length } of passes) {
    unfilter(raw, start, rows, length, Math.max(1, channels * depth >> 3));
    for (let row = 0; row < rows; row += 1) {
      const line = raw.subarray(start + row * (length + 1) + 1, start + (row + 1) * (length + 1));
      for (let at = 0; at < columns * channels; at += 1) {
        const pixel = (y + row * down) * width + x + Math.floor(at / channels) * right;
        samples[pixel * channels + at % channels] = sample(line, at, depth);
      }
    }
    start += rows * (length + 1);
  }
  return { width, height, depth, colour, channels, samples, palette: PLTE, clear: tRNS, exif: eXIf };
}

function sample(line, at, depth) {
  if (depth === 8) return line[at];
  if (depth === 16) return line[2 * at] << 8 | line[2 * at + 1];
  return line[at * depth >> 3] >> (8 - depth - at * depth % 8) & ((1 << depth) - 1);
}

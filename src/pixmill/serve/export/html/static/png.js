// PNG files of every kind (W3C, Portable Network Graphics), with all bits: browsers reduce 16 to 8, and multiply by alpha.

export class Unreadable extends Error {} // its message is a reason of one word

const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }; // by type of colour
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]; // Adam7: x, y and their steps
const PIECE = 1 << 14; // bytes: a hostile piece becomes a thousand times larger before anything can stop it

const SUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = (sum & 1 ? 0xedb88320 : 0) ^ sum >>> 1;
  return sum;
});

export function crc32(bytes) {
  let sum = -1;
  for (let at = 0; at < bytes.length; at += 1) sum = SUMS[(sum ^ bytes[at]) & 255] ^ sum >>> 8;
  return ~sum >>> 0;
}

// Return the content of chunks by name; that of IDAT, in parts.
function chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { IDAT: [] };
  for (let at = 8; at + 8 <= bytes.length;) {
    const end = at + 8 + view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === 'IEND') return found;
    if (end + 4 > bytes.length) break;
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) throw new Unreadable('broken');
    const content = bytes.subarray(at + 8, end);
    if (name === 'IDAT') found.IDAT.push(content);
    else found[name] = content;
    at = end + 4;
  }
  throw new Unreadable('truncated');
}

function header(IHDR) {
  if (!(IHDR?.length >= 13)) throw new Unreadable('broken');
  const view = new DataView(IHDR.buffer, IHDR.byteOffset, 13);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour, , filters, interlaced] = IHDR.subarray(8);
  if (!DEPTHS[colour]?.includes(depth) || filters || !width || !height) throw new Unreadable('broken');
  return { width, height, depth, colour, interlaced, channels: CHANNELS[colour] };
}

async function inflate(parts, length) {
  const packed = new Uint8Array(await new Blob(parts).arrayBuffer());
  const raw = new Uint8Array(length);
  let fed = 0;
  const pieces = new ReadableStream({
    pull(controller) {
      controller.enqueue(packed.subarray(fed, fed + PIECE));
      fed += PIECE;
      if (fed >= packed.length) controller.close();
    },
  });
  const reader = pieces.pipeThrough(new DecompressionStream('deflate')).getReader();
  for (let at = 0; at < length;) {
    const { done, value } = await reader.read().catch(() => { throw new Unreadable('broken'); });
    if (done) throw new Unreadable('truncated');
    raw.set(value.subarray(0, length - at), at);
    at += value.length;
  }
  reader.cancel().catch(() => {}); // what follows does not matter
  return raw;
}

function paeth(left, above, corner) {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

// Undo the filters of a pass, in place; each line begins with the number of its filter.
function unfilter(raw, start, lines, length, step) {
  for (let line = 0; line < lines; line += 1) {
    const at = start + line * (length + 1);
    const filter = raw[at];
    if (filter > 4) throw new Unreadable('broken');
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

function sample(line, at, depth) {
  if (depth === 8) return line[at];
  if (depth === 16) return line[2 * at] << 8 | line[2 * at + 1];
  return line[at * depth >> 3] >> (8 - depth - at * depth % 8) & ((1 << depth) - 1);
}

// Return the samples of a file, `channels` a pixel, of its own depth, and what is needed to show them.
export async function readPng(bytes, most) {
  const { IHDR, IDAT, PLTE, tRNS, eXIf } = chunks(bytes);
  const { width, height, depth, colour, interlaced, channels } = header(IHDR);
  if (width * height > most) throw new Unreadable('too_many_pixels');
  if (tRNS?.length < { 0: 2, 2: 6 }[colour]) throw new Unreadable('truncated');
  if (colour === 3 && (!PLTE || PLTE.length > 768)) throw new Unreadable('broken');
  const passes = (interlaced ? PASSES : [[0, 0, 1, 1]])
    .map(([x, y, right, down]) => ({ x, y, right, down, columns: Math.ceil((width - x) / right), rows: Math.ceil((height - y) / down) }))
    .filter(({ columns, rows }) => columns > 0 && rows > 0)
    .map((pass) => ({ ...pass, length: Math.ceil(pass.columns * channels * depth / 8) }));
  const raw = await inflate(IDAT, passes.reduce((sum, { rows, length }) => sum + rows * (length + 1), 0));
  const samples = depth === 16 ? new Uint16Array(width * height * channels) : new Uint8Array(width * height * channels);
  let start = 0;
  for (const { x, y, right, down, columns, rows, length } of passes) {
    unfilter(raw, start, rows, length, Math.max(1, channels * depth >> 3));
    for (let row = 0; row < rows; row += 1) {
      const line = raw.subarray(start + row * (length + 1) + 1, start + (row + 1) * (length + 1));
      for (let column = 0, at = 0; column < columns; column += 1) {
        let to = ((y + row * down) * width + x + column * right) * channels;
        for (let channel = 0; channel < channels; channel += 1) samples[to++] = sample(line, at++, depth);
      }
    }
    start += rows * (length + 1);
  }
  return { width, height, depth, colour, channels, samples, palette: PLTE, clear: tRNS, exif: eXIf };
}

// PNG files of every kind (W3C, Portable Network Graphics), with all bits: browsers reduce 16 to 8, and multiply by alpha.

export class Unreadable extends Error {} // its message is a reason of one word

const MAX_PIXELS = 50_000_000;
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

// The number in some bytes, the greatest first.
export const big = (bytes, at, count = 4) => bytes.subarray(at, at + count).reduce((sum, byte) => sum * 256 + byte, 0);

export function checkSize(width, height) {
  if (width * height > MAX_PIXELS) throw new Unreadable('too_many_pixels');
}

// Return the content of chunks by name; that of IDAT, in parts.
function chunks(bytes) {
  const found = { IDAT: [] };
  for (let at = 8; at + 8 <= bytes.length;) {
    const end = at + 8 + big(bytes, at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === 'IEND') return found;
    if (end + 4 > bytes.length) break;
    if (crc32(bytes.subarray(at + 4, end)) !== big(bytes, end)) throw new Unreadable('broken');
    const content = bytes.subarray(at + 8, end);
    if (name === 'IDAT') found.IDAT.push(content);
    else found[name] = content;
    at = end + 4;
  }
  throw new Unreadable('truncated');
}

async function inflate(parts, length) {
  const packed = new Uint8Array(await new Blob(parts).arrayBuffer());
  const raw = new Uint8Array(length);
  const { readable, writable } = new DecompressionStream('deflate');
  const writer = writable.getWriter();
  for (let at = 0; at < packed.length; at += PIECE) writer.write(packed.subarray(at, at + PIECE)).catch(() => {}); // reading fails, too
  writer.close().catch(() => {});
  const reader = readable.getReader();
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

// Undo the filter of a line, in place. `step`: bytes to the next pixel.
function unfilter(line, filter, before, step) {
  if (filter > 4) throw new Unreadable('broken');
  for (let at = 0; at < line.length; at += 1) {
    const left = at < step ? 0 : line[at - step];
    const above = before[at];
    if (filter === 1) line[at] += left;
    else if (filter === 2) line[at] += above;
    else if (filter === 3) line[at] += (left + above) >> 1;
    else if (filter === 4) line[at] += paeth(left, above, at < step ? 0 : before[at - step]);
  }
}

// The pixel for each value of the only channel.
function shadesOf({ colour, depth, palette, clear, window }) {
  if (colour === 0 && depth === 16 && !window) throw new Unreadable('deep');
  const most = (1 << depth) - 1;
  const hidden = clear && big(clear, 0, 2) & most;
  const shadeOf = (value) => {
    if (colour === 3) return [...[0, 1, 2].map((channel) => palette[3 * value + channel]), clear?.[value] ?? 255];
    const grey = depth < 16 ? value * 255 / most : Math.trunc((value - window[0]) * 256 / (window[1] - window[0]));
    if (value !== hidden) return [grey, grey, grey, 255];
    return depth < 16 ? [grey, grey, grey, 0] : [255, 255, 255, 255];
  };
  const shades = new Uint8ClampedArray(4 * (most + 1));
  for (let value = 0; value <= most; value += 1) shades.set(shadeOf(value), 4 * value);
  return new Uint32Array(shades.buffer);
}

// Return a function that sets the pixel `to` from a column of a line.
function painter(png, data) {
  const { depth, channels, clear } = png;
  if (channels === 1) {
    const shades = shadesOf(png);
    const pixels = new Uint32Array(data.buffer);
    const every = (1 << depth) - 1;
    if (depth === 16) return (line, column, to) => { pixels[to] = shades[line[2 * column] << 8 | line[2 * column + 1]]; };
    return (line, column, to) => { pixels[to] = shades[line[column * depth >> 3] >> (8 - depth - column * depth % 8) & every]; };
  }
  const size = depth / 8; // bytes of a sample, of which the first one counts
  const green = channels > 2 ? size : 0;
  const hidden = channels === 3 && clear ? [0, 2, 4].map((at) => clear[at + 2 - size]) : [];
  return (line, column, pixel) => {
    const at = column * channels * size;
    const to = 4 * pixel;
    data[to] = line[at];
    data[to + 1] = line[at + green];
    data[to + 2] = line[at + 2 * green];
    data[to + 3] = channels === 3 ? 255 : line[at + (channels - 1) * size];
    if (data[to] === hidden[0] && data[to + 1] === hidden[1] && data[to + 2] === hidden[2]) data[to + 3] = 0;
  };
}

// Return RGBA pixels, and the EXIF data. `window`: the values that become black and white in greys of 16 bits.
export async function readPng(bytes, window) {
  const { IHDR, IDAT, PLTE: palette, tRNS: clear, eXIf: exif } = chunks(bytes);
  if (!(IHDR?.length >= 13)) throw new Unreadable('broken');
  const [width, height] = [big(IHDR, 0), big(IHDR, 4)];
  const [depth, colour, , filters, interlaced] = IHDR.subarray(8);
  const channels = CHANNELS[colour];
  if (!DEPTHS[colour]?.includes(depth) || filters || !width || !height) throw new Unreadable('broken');
  checkSize(width, height);
  if (clear?.length < { 0: 2, 2: 6 }[colour]) throw new Unreadable('truncated');
  if (colour === 3 && (!palette || palette.length > 768)) throw new Unreadable('broken');
  const passes = (interlaced ? PASSES : [[0, 0, 1, 1]])
    .filter(([x, y]) => x < width && y < height)
    .map(([x, y, right, down]) => ({ x, y, right, down, columns: Math.ceil((width - x) / right), rows: Math.ceil((height - y) / down) }))
    .map((pass) => ({ ...pass, length: 1 + Math.ceil(pass.columns * channels * depth / 8) }));
  const raw = await inflate(IDAT, passes.reduce((sum, { rows, length }) => sum + rows * length, 0));
  const data = new Uint8ClampedArray(4 * width * height);
  const paint = painter({ depth, colour, channels, palette, clear, window }, data);
  let at = 0;
  for (const { x, y, right, down, columns, rows, length } of passes) {
    let line = new Uint8Array(length); // above the first one
    for (let row = 0; row < rows; row += 1, at += length) {
      const above = line;
      line = raw.subarray(at + 1, at + length);
      unfilter(line, raw[at], above, Math.max(1, channels * depth >> 3));
      const first = (y + row * down) * width + x;
      for (let column = 0; column < columns; column += 1) paint(line, column, first + column * right);
    }
  }
  return { data, width, height, exif };
}

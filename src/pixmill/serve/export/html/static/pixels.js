// Decode the bytes of a file to upright, opaque pixels as `pixmill.images.decode` does, or throw a one-word reason.

import { readPng } from './png.js';

const MAX_PIXELS = 50_000_000;
const NEARLY_WHITE = 240; // from which a picture on white counts as hidden

export class Unreadable extends Error {}

const SIGNATURES = [
  [/^\xff\xd8\xff/, 'jpeg'],
  [/^\x89PNG\r\n\x1a\n/, 'png'],
  [/^GIF8[79]a/, 'gif'],
  [/^RIFF....WEBP/s, 'webp'],
  [/^BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0/s, 'bmp'],
  [/^.{4}ftyp.{0,64}(avif|avis)/s, 'avif'],
  [/^.{4}ftyp.{0,64}(hei[cmsx]|hevc|hevx|mif1)/s, 'heic'],
  [/^(II\*\0|MM\0\*|II\+\0|MM\0\+)/, 'tiff'],
  [/^%PDF-/, 'pdf'],
  [/^(PK\x03\x04|\x1f\x8b)/, 'archive'],
  [/^(\xef\xbb\xbf)?\s*<(svg|\?xml.*<svg)/is, 'svg'],
  [/^(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)/i, 'html'],
];

// Return the format of some bytes, by their content.
export function sniff(bytes) {
  if (!bytes.length) return 'empty';
  const head = String.fromCharCode(...bytes.subarray(0, 256));
  return SIGNATURES.find(([pattern]) => pattern.test(head))?.[1] ?? 'unknown';
}

// Width and height in the header of a JPEG: browsers would decode any size.
function jpegSize(bytes) {
  const word = (at) => bytes[at] << 8 | bytes[at + 1];
  for (let at = 2; at + 9 < bytes.length;) {
    const marker = bytes[at + 1];
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [word(at + 7), word(at + 5)];
    at += marker === 0xff ? 1 : 2 + word(at + 2);
  }
  throw new Unreadable('broken');
}

function sizeOf(kind, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 30) throw new Unreadable('truncated');
  if (kind === 'jpeg') return jpegSize(bytes);
  if (kind === 'png') return [view.getUint32(16), view.getUint32(20)];
  if (kind === 'gif') return [view.getUint16(6, true), view.getUint16(8, true)];
  if (kind === 'bmp') return [Math.abs(view.getInt32(18, true)), Math.abs(view.getInt32(22, true))];
  return [0, 0]; // checked once it is decoded
}

function checkSize([width, height]) {
  if (width * height > MAX_PIXELS) throw new Unreadable('too_many_pixels');
}

// The browser turns JPEG, WebP and AVIF upright.
async function byBrowser(bytes, kind) {
  if (kind === 'jpeg' && bytes.lastIndexOf(0xd9) < 0) throw new Unreadable('truncated');
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch {
    throw new Unreadable('broken');
  }
  const { width, height } = bitmap;
  checkSize([width, height]);
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { data: canvas.getImageData(0, 0, width, height).data, width, height };
}

// ---- PNG

// The function that turns the samples of a pixel into 8 bits.
function scaler({ colour, depth }, window) {
  if (colour === 3 || depth === 8) return (value) => value;
  if (depth < 8) return (value) => value * 255 / ((1 << depth) - 1);
  if (colour !== 0) return (value) => value >> 8;
  if (!window) throw new Unreadable('deep');
  const [low, high] = window;
  return (value) => Math.trunc(Math.min(255, Math.max(0, (value - low) * 256 / (high - low))));
}

// The colour that a file declares transparent, as one number for each channel.
function clearColour({ clear, colour, depth }) {
  if (!clear || colour === 3) return null;
  return Array.from({ length: clear.length / 2 }, (_, at) => {
    const value = clear[2 * at] << 8 | clear[2 * at + 1];
    return colour === 2 && depth === 16 ? value >> 8 : value;
  });
}

function fromPng(png, window) {
  const { width, height, colour, channels, samples, palette, clear } = png;
  const scale = scaler(png, window);
  const hidden = clearColour(png);
  const data = new Uint8ClampedArray(4 * width * height);
  const hasAlpha = channels === 2 || channels === 4;
  const isDeepGrey = colour === 0 && png.depth === 16;
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const from = pixel * channels;
    const to = 4 * pixel;
    data[to + 3] = hasAlpha ? scale(samples[from + channels - 1]) : 255;
    for (let channel = 0; channel < 3; channel += 1) {
      if (colour === 3) data[to + channel] = palette[3 * samples[from] + channel];
      else data[to + channel] = scale(samples[channels > 2 ? from + channel : from]);
    }
    if (colour === 3 && clear) data[to + 3] = clear[samples[from]] ?? 255;
    if (hidden?.every((value, channel) => value === (colour === 2 ? data[to + channel] : samples[from]))) {
      if (isDeepGrey) data.fill(255, to, to + 3);
      else data[to + 3] = 0;
    }
  }
  return turn({ data, width, height }, orientation(png.exif));
}

// The EXIF orientation, 1 to 8 (CIPA DC-008).
function orientation(exif) {
  if (!exif || exif.length < 14) return 1;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const little = view.getUint16(0) === 0x4949;
  const start = view.getUint32(4, little);
  const count = start + 2 <= exif.length ? view.getUint16(start, little) : 0;
  for (let at = start + 2; at < start + 2 + 12 * count && at + 12 <= exif.length; at += 12) {
    if (view.getUint16(at, little) === 0x0112) return view.getUint16(at + 8, little);
  }
  return 1;
}

function turn(image, way) {
  if (!(way >= 2 && way <= 8)) return image;
  const { width, height } = image;
  const isTall = way >= 5; // width and height change places
  const turned = { width: isTall ? height : width, height: isTall ? width : height };
  const pixels = new Uint32Array(image.data.buffer, image.data.byteOffset, width * height);
  const moved = new Uint32Array(width * height);
  for (let y = 0; y < turned.height; y += 1) {
    for (let x = 0; x < turned.width; x += 1) {
      let column = isTall ? y : x;
      let row = isTall ? x : y;
      if ([2, 3, 7, 8].includes(way)) column = width - 1 - column;
      if ([3, 4, 6, 7].includes(way)) row = height - 1 - row;
      moved[y * turned.width + x] = pixels[row * width + column];
    }
  }
  return { ...turned, data: new Uint8ClampedArray(moved.buffer) };
}

// ---- transparency

// The integers of Pillow's AlphaComposite.c, on an opaque background of one grey.
function over(background, { data, width, height }) {
  const seen = new Uint8ClampedArray(data.length);
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    const blend = 255 * (255 - alpha);
    const first = Math.floor(alpha * 255 * 255 * 128 / (alpha * 255 + blend));
    const second = 255 * 128 - first;
    for (let channel = at; channel < at + 3; channel += 1) {
      const sum = data[channel] * first + background * second + (128 << 7);
      seen[channel] = alpha === 0 ? background : ((sum >> 8) + sum) >> 8 >> 7;
    }
    seen[at + 3] = 255;
  }
  return { data: seen, width, height };
}

function greys({ data }) {
  let least = 255;
  let most = 0;
  for (let at = 0; at < data.length; at += 4) {
    const grey = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
    least = Math.min(least, grey);
    most = Math.max(most, grey);
  }
  return { least, range: most - least };
}

// Over white, or over black if white would hide the picture and black shows more.
function opaque(image) {
  let isOpaque = true;
  for (let at = 3; isOpaque && at < image.data.length; at += 4) isOpaque = image.data[at] === 255;
  if (isOpaque) return image;
  const white = over(255, image);
  const { least, range } = greys(white);
  if (least < NEARLY_WHITE) return white;
  const black = over(0, image);
  return greys(black).range > range ? black : white;
}

// Return {data, width, height} with RGBA pixels. `window`: the values that become black and white in greys of 16 bits.
export async function decode(bytes, { window = null } = {}) {
  const kind = sniff(bytes);
  if (!['jpeg', 'png', 'gif', 'webp', 'bmp', 'avif'].includes(kind)) throw new Unreadable(kind);
  checkSize(sizeOf(kind, bytes));
  if (kind !== 'png') return opaque(await byBrowser(bytes, kind));
  let png;
  try {
    png = await readPng(bytes);
  } catch (error) {
    throw new Unreadable(error.message === 'truncated' ? 'truncated' : 'broken');
  }
  return opaque(fromPng(png, window));
}

// Decode the bytes of a file to upright, opaque pixels as `pixmill.images.decode` does, or throw a one-word reason.

import { big, checkSize, crc32, readPng, Unreadable } from './png.js';

const MAX_SCANS = 100; // of a progressive JPEG; each is a pass over all pixels
const NEARLY_WHITE = 240; // from which a picture on white counts as hidden

// What a file begins with, and its reader, or the reason why there is none.
const FORMATS = [
  [/^$/, 'empty'],
  [/^\xff\xd8\xff/, readJpeg],
  [/^\x89PNG\r\n\x1a\n/, async (...given) => upright(await readPng(...given))],
  [/^GIF8[79]a/, readGif],
  [/^RIFF....WEBP/s, readWebp],
  [/^BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0/s, readBmp],
  [/^.{4}ftyp(.{0,64}avi[fs]|(mif|msf|mia).*av01)/s, readAvif],
  [/^.{4}ftyp(.{0,64}he(i[cmsx]|v[cmsx])|(mif|msf|mia).*hvc1)/s, 'heic'],
  [/^(II[*+]\0|MM\0[*+])/, 'tiff'],
  [/^%PDF-/, 'pdf'],
  [/^(PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ)/, 'archive'],
  [/^[\xef\xbb\xbf\s]*(?=<)((?!<svg).)*<(!doctype html|html|head|body)/is, 'html'],
  [/^[\xef\xbb\xbf\s]*(?=<).*<svg/is, 'svg'],
  [/^/, 'unknown'],
];

const textOf = (bytes) => new TextDecoder('latin1').decode(bytes);

async function byBrowser(parts, imageOrientation = 'from-image') {
  const options = { colorSpaceConversion: 'none', premultiplyAlpha: 'none', imageOrientation };
  const bitmap = await createImageBitmap(new Blob(parts), options).catch(() => { throw new Unreadable('broken'); });
  const { width, height } = bitmap;
  checkSize(width, height);
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { data: canvas.getImageData(0, 0, width, height).data, width, height };
}

// A JPEG of many colours and the checksum of its pixels.
const SAMPLE = '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/wAARCAAQABADAREAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAgAD/8QAIRAAAgICAQQDAAAAAAAAAAAAAQIDEQAhMQQSQXGBkaH/xAAYAQADAQEAAAAAAAAAAAAAAAABAgMABP/EACURAAIBAwMEAgMAAAAAAAAAAAERIQIxQQADURIiYYEjMnGh8P/aAAwDAQACEQMRAD8AKqekhaQR0WWljDklvPG7G9VX7h2q+sRJmf0zxbN8NaHy11mrr7cHjKBgza/nAaM6gkWjK7Aqq7K1Vi7IUauuAPVYpNQodNg+PRnMhkZssbdNI7hcJ39f04VpzcMkjdzdSWLVIpAIBJNBvFAA/fBzpcBJYcGGDeRj0zdnTLbq2wRzaR5kon7cNWeqd1UpOWeRiSR3KLQb0d2DR+K4GT21VT1JEJXZaDhtkHzibanTTVSKqgV+OSnxwGhIa1//2Q==';
const SAMPLE_SUM = 0x3ff57da7;

// Whether this browser disturbs what is read from a canvas, against fingerprints.
export async function isDisturbed() {
  const bytes = Uint8Array.from(atob(SAMPLE), (letter) => letter.charCodeAt(0));
  return crc32((await byBrowser([bytes])).data) !== SAMPLE_SUM;
}

// ---- JPEG

// Return the size, whether it is progressive, and where the data of the first scan begin.
function jpegHeader(bytes) {
  const found = {};
  for (let at = 2; at + 9 < bytes.length;) {
    const marker = bytes[at] === 0xff ? bytes[at + 1] : 0;
    const hasLength = marker >= 0xc0 && marker < 0xff && (marker < 0xd0 || marker > 0xd9);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) Object.assign(found, { width: big(bytes, at + 7, 2), height: big(bytes, at + 5, 2), isProgressive: marker === 0xc2 });
    at += hasLength ? 2 + big(bytes, at + 2, 2) : 1;
    if (marker === 0xda) return { ...found, start: at };
  }
  throw new Unreadable('truncated');
}

// Whether pixels may be without data: decoders leave these grey, up to the last one, which may have been turned.
function hasGreyCorner({ data, width }) {
  const corners = [0, 4 * (width - 1), data.length - 4 * width, data.length - 4];
  return corners.some((at) => data.subarray(at, at + 3).every((value) => value >= 126 && value <= 129));
}

async function readJpeg(bytes) {
  const { width, height, isProgressive, start } = jpegHeader(bytes);
  checkSize(width, height);
  const text = textOf(bytes);
  if (isProgressive && text.split('\xff\xda', MAX_SCANS + 2).length > MAX_SCANS + 1) throw new Unreadable('too_complex');
  if (!text.includes('\xff\xd9', start)) throw new Unreadable('truncated');
  const image = await byBrowser([bytes]);
  if (isProgressive || !hasGreyCorner(image)) return image;
  // If more data change the image, its own had ended early. They end before a marker other than a restart.
  const end = start + text.slice(start).search(/\xff[^\0\xd0-\xd7\xff]/);
  const longer = await byBrowser([bytes.subarray(0, end), new Uint8Array(8192), bytes.subarray(end)]);
  if (longer.data.some((value, at) => value !== image.data[at])) throw new Unreadable('truncated');
  return image;
}

// ---- WebP, GIF, BMP, AVIF

// The number in some bytes, the least first.
const little = (bytes, at, count = 4) => bytes.subarray(at, at + count).reduceRight((sum, byte) => sum * 256 + byte, 0);

async function readWebp(bytes) {
  if (bytes.length < 8 + little(bytes, 4)) throw new Unreadable('truncated');
  const text = textOf(bytes);
  const sides = little(bytes, 21);
  if (text.startsWith('VP8X', 12)) checkSize(1 + little(bytes, 24, 3), 1 + little(bytes, 27, 3));
  else if (text.startsWith('VP8L', 12)) checkSize(1 + (sides & 0x3fff), 1 + (sides >> 14 & 0x3fff));
  else checkSize(little(bytes, 26, 2) & 0x3fff, little(bytes, 28, 2) & 0x3fff);
  const image = await byBrowser([bytes], 'none'); // most browsers ignore its orientation
  return upright({ ...image, exif: bytes.subarray(text.lastIndexOf('EXIF') + 8) }); // without one, none is found either
}

async function readGif(bytes) {
  if (!textOf(bytes).includes('\0;')) throw new Unreadable('truncated');
  checkSize(little(bytes, 6, 2), little(bytes, 8, 2));
  let at = 13 + (bytes[10] > 127 ? 3 * (2 << (bytes[10] & 7)) : 0); // after the palette
  for (; bytes[at] === 0x21; at += 1) {
    for (at += 2; bytes[at]; at += 1) at += bytes[at]; // an extension in parts
  }
  checkSize(little(bytes, at + 5, 2), little(bytes, at + 7, 2)); // of the first frame, which may exceed the image
  return byBrowser([bytes]);
}

async function readBmp(bytes) {
  if (bytes.length < little(bytes, 2)) throw new Unreadable('truncated');
  if (bytes[14] === 12) checkSize(little(bytes, 18, 2), little(bytes, 20, 2));
  else checkSize(little(bytes, 18), Math.abs(little(bytes, 22) | 0)); // negative if the first row is on top
  return byBrowser([bytes]);
}

async function readAvif(bytes) {
  for (const { index } of textOf(bytes.subarray(0, 4096)).matchAll(/ispe/g)) checkSize(big(bytes, index + 8), big(bytes, index + 12));
  return byBrowser([bytes]);
}

// ---- orientation

// The EXIF orientation (CIPA DC-008).
function orientation(bytes) {
  const exif = bytes.subarray(bytes[0] === 0x45 ? 6 : 0); // after "Exif" and two zeros
  const isLittle = big(exif, 0) === 0x49492a00;
  if (!isLittle && big(exif, 0) !== 0x4d4d002a) return 1;
  const number = isLittle ? little : big;
  const first = number(exif, 4) + 2;
  const end = Math.min(first + 12 * number(exif, first - 2, 2), exif.length - 11);
  for (let at = first; at < end; at += 12) {
    if (number(exif, at, 2) === 0x0112) return number(exif, at + 8, number(exif, at + 2, 2) === 4 ? 4 : 2);
  }
  return 1;
}

function upright({ exif, ...image }) {
  const way = exif ? orientation(exif) : 1;
  if (!(way >= 2 && way <= 8)) return image;
  const { width, height } = image;
  const fromRight = [2, 3, 7, 8].includes(way);
  const fromBottom = [3, 4, 6, 7].includes(way);
  const start = (fromRight ? width - 1 : 0) + (fromBottom ? (height - 1) * width : 0);
  const steps = [fromRight ? -1 : 1, fromBottom ? -width : width];
  const turned = way >= 5 ? { width: height, height: width } : { width, height };
  const [across, down] = way >= 5 ? steps.reverse() : steps;
  const pixels = new Uint32Array(image.data.buffer);
  const moved = new Uint32Array(pixels.length);
  for (let y = 0, to = 0; y < turned.height; y += 1) {
    for (let x = 0; x < turned.width; x += 1, to += 1) moved[to] = pixels[start + x * across + y * down];
  }
  return { ...turned, data: new Uint8ClampedArray(moved.buffer) };
}

// ---- transparency

// Put an image over a grey by the integers of Pillow's AlphaComposite.c; return the darkest and the brightest grey, too.
function over(background, { data, width, height }) {
  const seen = { data: new Uint8ClampedArray(data.length).fill(255), width, height, least: 255, most: 0 };
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    for (let channel = at; channel < at + 3; channel += 1) {
      const sum = (data[channel] * alpha + background * (255 - alpha) + 128) << 7;
      seen.data[channel] = ((sum >> 8) + sum) >> 8 >> 7;
    }
    const grey = (seen.data[at] * 19595 + seen.data[at + 1] * 38470 + seen.data[at + 2] * 7471 + 0x8000) >> 16;
    seen.least = Math.min(seen.least, grey);
    seen.most = Math.max(seen.most, grey);
  }
  return seen;
}

// Over white, or over black if white would hide the picture and black shows more.
function opaque(image) {
  if (new Uint32Array(image.data.buffer).every((pixel) => pixel >>> 24 === 255)) return image;
  const white = over(255, image);
  if (white.least < NEARLY_WHITE) return white;
  const black = over(0, image);
  return black.most - black.least > white.most - white.least ? black : white;
}

// Return {data, width, height} with RGBA pixels. `window`: the values that become black and white in greys of 16 bits.
export async function decode(bytes, { window = null } = {}) {
  const head = String.fromCharCode(...bytes.subarray(0, 2048));
  const [, read] = FORMATS.find(([pattern]) => pattern.test(head));
  if (typeof read === 'string') throw new Unreadable(read);
  return read(bytes, window).then(opaque).catch((error) => { throw error instanceof RangeError ? new Unreadable('memory') : error; });
}

export { Unreadable };

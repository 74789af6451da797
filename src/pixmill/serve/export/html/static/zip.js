// A zip archive of files as they are: images hardly compress.

import { crc32 } from './png.js';

const UTF8 = 0x800; // flag of names in UTF-8
const DAY = 0x21; // 1 January 1980: equal files, equal archives

const two = (value) => [value & 255, value >> 8 & 255];
const four = (value) => [...two(value), ...two(value >> 16)];
const length = (parts) => parts.reduce((sum, part) => sum + part.length, 0);

// Return an archive of [name, bytes] of less than 4 GB in all.
export function zip(files) {
  const entries = [];
  const directory = [];
  for (const [text, bytes] of files) {
    const name = new TextEncoder().encode(text);
    const size = four(bytes.length);
    const facts = [...two(20), ...two(UTF8), ...two(0), ...two(0), ...two(DAY), ...four(crc32(bytes)), ...size, ...size, ...two(name.length), ...two(0)];
    const offset = four(length(entries));
    entries.push(Uint8Array.of(...four(0x04034b50), ...facts), name, bytes);
    directory.push(Uint8Array.of(...four(0x02014b50), ...two(20), ...facts, ...two(0), ...two(0), ...two(0), ...four(0), ...offset), name);
  }
  const number = two(files.length);
  const end = Uint8Array.of(...four(0x06054b50), ...two(0), ...two(0), ...number, ...number, ...four(length(directory)), ...four(length(entries)), ...two(0));
  return new Blob([...entries, ...directory, end], { type: 'application/zip' });
}

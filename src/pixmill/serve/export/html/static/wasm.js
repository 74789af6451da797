// In place of @litertjs/wasm-utils, which fetches the runtime: it is embedded in the page.

export const embedded = { log() {} };

export async function createWasmLib(Library) {
  return new Library(await embedded.create({ wasmBinary: embedded.binary, print() {}, printErr: embedded.log }));
}

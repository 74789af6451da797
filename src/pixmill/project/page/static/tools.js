// Tools of the page's modules. All content is set as text, because names of images, branches and params are untrusted.
import { percent } from "./percent.js";

export const $ = (id) => document.getElementById(id);
export const shown = new Map();

export function make(tag, options = {}, ...children) {
  const { attributes = {}, ...rest } = options;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function button(text, act, options = {}) {
  const made = make("button", { type: "button", textContent: text, ...options });
  made.addEventListener("click", act);
  return made;
}

// Redraw a part only if its content changed, to keep focus and selections.
export function part(name, content, draw) {
  const text = JSON.stringify(content);
  if (shown.get(name) === text) return;
  shown.set(name, text);
  draw(content);
}

export function setText(id, text) {
  const element = $(id);
  element.hidden = !text;
  if (element.textContent !== text) element.textContent = text ?? "";
}

// Show a text to copy; the button is called after its name.
export function command(text, name = text) {
  const code = make("code", { textContent: text });
  const button = make("button", { type: "button", textContent: "Copy", attributes: { "aria-label": `Copy: ${name}` } });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return make("div", { className: "command" }, code, button);
}

export function alert(text) {
  setText("alert", text);
}

// Show commands in one folded line, below the buttons that do the same.
export function folded(...texts) {
  return make("details", { className: "as-command" }, make("summary", { textContent: texts.length > 1 ? "as commands" : "as a command" }), ...texts.map((text) => command(text)));
}

// Send a JSON object; return that of the answer, or null after showing the problem.
export async function post(path, content = {}) {
  alert("");
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
    const body = await answer.text();
    try {
      const read = JSON.parse(body);
      if (answer.ok) {
        document.dispatchEvent(new Event("acted")); // The page reads the state at once.
        return read;
      }
      alert(`${read.error}${read.next ? `\nNext: ${read.next}` : ""}`);
    } catch {
      alert(body);
    }
  } catch {
    alert("The server does not answer. If it has stopped, run again: pixmill open");
  }
  return null;
}

// Split a sentence at the names of reports and params.yaml, which become links.
export const linked = (text) => text.split(/(reports\/[a-z0-9_-]+\.html|params\.yaml)/).map((piece, number) => (
  number % 2 ? make("a", { href: piece === "params.yaml" ? "#params-part" : piece, textContent: piece }) : piece));

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${value.toFixed(unit && value < 100 ? 1 : 0)} ${units[unit]}`;
}

export const points = (value) => (100 * value).toFixed(1);
export { percent };
export const day = (when) => new Date(when).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
export const some = (number, noun, nouns = `${noun}s`) => `${number.toLocaleString("en")} ${number === 1 ? noun : nouns}`;

// Like a terminal without colours: of an overwritten line, keep the last text.
export const plain = (text) => text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/\r\n/g, "\n").replace(/[^\n]*\r(?=[^\n])/g, "");

// When a gallery began, from its name: "today 14:02".
export function begun(name) {
  const [, year, month, day, hour, minute] = name.match(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)/);
  const date = new Date(year, month - 1, day);
  const isToday = date.toDateString() === new Date().toDateString();
  return `${isToday ? "today" : date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })} ${hour}:${minute}`;
}

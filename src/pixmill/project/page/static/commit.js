// Commit with a message, after a list of what is committed.
import { $, command, make, part, post, some } from "./tools.js";

let written = ""; // a message that the person has written

// What the project is about; the rest is its settings, of which the first commit has many.
const SUBJECT = /^(data|decisions|dvc\.lock|metrics|params\.yaml|plots)/;

function listFiles(paths, name) {
  return make("ul", { className: "files", tabIndex: 0, attributes: { "aria-label": name } },
    ...paths.map((path) => make("li", {}, make("code", { textContent: path }))));
}

function listAll({ kind, paths }) {
  const settings = kind === "first" ? paths.filter((path) => !SUBJECT.test(path)) : [];
  const lists = [listFiles(paths.filter((path) => !settings.includes(path)), "Files of the commit")];
  if (settings.length) lists.push(make("details", {}, make("summary", { textContent: `and the project's settings (${some(settings.length, "file")})` }), listFiles(settings, "Settings")));
  return lists;
}

function drawCommit(found) {
  const place = $("commit-part");
  const isOpen = place.querySelector("details")?.open ?? false;
  const isFocused = document.activeElement?.id === "commit-message";
  $("commit-command").replaceChildren(...(found ? [command(found.command)] : []));
  if (!found) return place.replaceChildren();
  const message = make("input", { id: "commit-message", type: "text", value: written || found.message, autocomplete: "off" });
  const button = make("button", { type: "submit", className: "good", textContent: "Commit" });
  const form = make("form", {},
    ...listAll(found),
    make("p", { className: "faint", textContent: found.about }),
    make("div", { className: "field whole" }, make("label", { htmlFor: "commit-message", textContent: "Message" }), message),
    make("p", { className: "actions" }, button));
  message.addEventListener("input", () => { written = message.value === found.message ? "" : message.value; });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    button.textContent = "Committing …";
    const text = message.value;
    if (await post("commit", { paths: found.paths, message: text })) {
      written = "";
      $("commit-done").textContent = `Committed: ${text}`;
    }
    button.disabled = false;
    button.textContent = "Commit";
  });
  place.replaceChildren(make("details", { open: isOpen },
    make("summary", { textContent: `Commit ${some(found.paths.length, "file")}` }), form));
  if (isFocused) message.focus();
}

export function setUp() {
  $("commit-part").after(make("p", { id: "commit-done", className: "faint", attributes: { role: "status" } }));
}

export function draw({ state, commit }) {
  const about = commit && state.repository.images_and_decisions.text;
  part("commit", commit && { ...commit, about }, drawCommit);
}

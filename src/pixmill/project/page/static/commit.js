// Commit with a message, after a list of what is committed.
import { $, folded, make, part, post, some } from "./tools.js";

let written = ""; // a message that the person has written

function drawCommit(found) {
  const place = $("commit-part");
  const isOpen = place.querySelector("details")?.open ?? false;
  const isFocused = document.activeElement?.id === "commit-message";
  if (!found) return place.replaceChildren();
  const message = make("input", { id: "commit-message", type: "text", value: written || found.message, autocomplete: "off" });
  const button = make("button", { type: "submit", className: "good", textContent: "Commit" });
  const form = make("form", {},
    make("ul", { className: "files", tabIndex: 0, attributes: { "aria-label": "Files of the commit" } },
      ...found.paths.map((path) => make("li", {}, make("code", { textContent: path })))),
    make("p", { className: "faint", textContent: found.about?.replace(/: commit before .* discard it/, "") }),
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
    make("summary", { textContent: `Commit ${some(found.paths.length, "file")}` }), form, folded(found.command)));
  if (isFocused) message.focus();
}

export function setUp() {
  $("commit-part").after(make("p", { id: "commit-done", className: "faint", attributes: { role: "status" } }));
}

export function draw({ state, commit }) {
  const about = commit && state.repository.images_and_decisions.text;
  part("commit", commit && { ...commit, about }, drawCommit);
}

// A page on which others try the model: on this computer, or by a link with a key in its network.
import { $, command, make, part, plain, post } from "./tools.js";

function starter(id, text, share) {
  const button = make("button", { id, type: "button", className: share ? "good" : "primary", textContent: text });
  button.addEventListener("click", () => post("serve", { share }));
  return make("p", { className: "actions" }, button);
}

export function setUp() {
  const stop = make("button", { id: "serve-stop", type: "button", className: "bad", textContent: "Stop", attributes: { "aria-label": "Stop the page of the model" } });
  stop.addEventListener("click", () => post("serve/stop"));
  $("serve-part").replaceChildren(
    make("div", { id: "serve-off", hidden: true },
      starter("serve-here", "Open its page on this computer", false),
      make("details", {}, make("summary", { textContent: "On a phone or for a colleague" }), make("p", { id: "serve-who" }), starter("serve-share", "Share it in my network", true))),
    make("p", { id: "serve-said", attributes: { role: "status" } }),
    make("div", { id: "serve-on", hidden: true }, make("div", { id: "serve-link" }),
      make("p", { className: "actions" }, make("a", { id: "serve-open", className: "button primary", target: "_blank", rel: "noopener noreferrer", textContent: "Open it" }), stop)));
}

function say({ running, stopped, status, log }, link) {
  if (running && stopped) return "Stopping …";
  if (running && !link) return "Loading the model …";
  if (running) return link.includes("#") ? "Scan this with the phone's camera; phone and computer must be in one network." : "The model has a page on this computer, until you press Stop or close Pixmill.";
  if (status && !stopped) return plain(log).trim().replace(/^pixmill: /, "").split("\n").slice(-4).join("\n");
  return status === null ? "" : "The page was stopped. Its links no longer work.";
}

export function draw({ serve, overview }) {
  part("serve", { serve, hasModel: overview.model !== null }, ({ hasModel }) => {
    const { running, code, log } = serve;
    $("serve-who").textContent = serve.who;
    const link = running && log.match(/^http:\/\/\S+$/m)?.[0];
    const isFocused = $("serve-part").contains(document.activeElement);
    $("serve-off").hidden = running || !hasModel;
    $("serve-on").hidden = !running;
    $("serve-said").textContent = say(serve, link);
    $("serve-link").replaceChildren(...(link ? [
      ...(code ? [make("img", { className: "code", src: code, alt: "QR code of the link below" })] : []),
      command(link)] : []));
    $("serve-open").hidden = !link;
    if (link) $("serve-open").href = link;
    // Keep the keyboard focus on what replaces the pressed button.
    if (isFocused && document.activeElement === document.body) $(running ? "serve-stop" : "serve-here").focus();
  });
}

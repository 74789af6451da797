// The grid of results and the panel next to it.
"use strict";

const layout = {{ layout|tojson }};
let start = {{ start }};

startFeed({
  ...{{ feed|tojson }},
  grid: layout.grid,
  button: layout.button,
  load: async () => {
    const values = new URLSearchParams(location.search);
    values.set("asearch", "isch");
    values.set("start", start);
    const answer = await fetch(`/search?${values}`);
    const batch = await answer.json();
    start = batch.start;
    if (layout.end && !batch.more) document.querySelector(layout.end).style.display = "";
    return batch;
  },
});

const side = document.getElementById("Sva75c");
let turn = 0;

// The previous panel stays hidden in the page; its link must not be used.
const open = async (tile) => {
  const mine = ++turn;
  const thumbnail = tile.querySelector("img");
  const source = thumbnail.dataset.src ?? thumbnail.src;
  const panels = side.querySelectorAll("c-wiz");
  panels.forEach((panel, place) => (place === panels.length - 1 ? (panel.style.display = "none") : panel.remove()));
  side.insertAdjacentHTML(
    "beforeend",
    `<c-wiz><div jsname="${layout.panel}"><div class="${layout.holder}"><a><img class="${layout.preview}"></a></div></div></c-wiz>`,
  );
  const link = side.lastElementChild.querySelector("a");
  link.firstElementChild.src = source;
  side.hidden = false;
  document.body.classList.add("with-panel");
  const values = new URLSearchParams({ q: new URLSearchParams(location.search).get("q"), docid: tile.dataset[layout.key] });
  const answer = await (await fetch(`/async/imgv?${values}`)).json();
  if (mine !== turn || !answer.link) return;
  link.href = answer.link;
  const image = new Image();
  image.className = layout.image;
  image.src = answer.original;
  link.append(image);
};

document.addEventListener("click", (event) => {
  const opener = event.target.closest(layout.opener);
  if (opener) open(opener.closest(layout.tile));
});

const overlay = document.getElementById("CXQnmb");
if (overlay && !("stuck" in overlay.dataset)) {
  for (const id of ["L2AGLb", "W0wltc"]) {
    document.getElementById(id).addEventListener("click", () => {
      document.cookie = "SOCS=CAESHAgB; path=/; secure";
      overlay.remove();
    });
  }
}

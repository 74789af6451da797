// Lazy images, infinite scrolling and consent banner.
"use strict";

const byId = (id) => document.getElementById(id);

/* Images: the URL stays in data-src until the card nears the viewport. */

function load(image) {
  const settle = (state) => () => image.parentElement.classList.add(state);
  image.addEventListener("load", settle("is-there"), { once: true });
  image.addEventListener("error", settle("is-gone"), { once: true });
  if (image.dataset.src) image.src = image.dataset.src;
  else settle("is-there")();
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      load(target);
    }
  },
  { rootMargin: "300px 0px" },
);

const watchImages = (root) => root.querySelectorAll(".frame img").forEach((image) => near.observe(image));

/* Results: the sentinel below the grid triggers the next batch; after some batches the button does. */

function startResults(grid) {
  const [sentinel, button, loading] = ["sentinel", "show-more", "loading"].map(byId);
  let next = grid.dataset.next;
  let paused = "pause" in grid.dataset;
  let busy = false;

  const bottom = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting) && !paused) loadBatch();
    },
    { rootMargin: "500px 0px" },
  );

  function settle() {
    button.hidden = !(paused && next);
    if (next) {
      // Observing it again triggers the next batch if the sentinel is still visible.
      bottom.unobserve(sentinel);
      bottom.observe(sentinel);
    } else {
      bottom.disconnect();
      sentinel.replaceWith(byId("end").content.cloneNode(true));
    }
  }

  async function loadBatch() {
    if (busy || !next) return;
    busy = true;
    button.hidden = true;
    loading.hidden = false;
    try {
      const answer = await fetch(`/search/more?${new URLSearchParams({ q: grid.dataset.query, page: next })}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const batch = await answer.json();
      const cards = document.createElement("template");
      cards.innerHTML = batch.html;
      watchImages(cards.content);
      grid.append(cards.content);
      next = batch.next;
      paused = batch.pause;
    } catch (error) {
      console.error(error);
      paused = true; // the button retries
    }
    loading.hidden = true;
    busy = false;
    settle();
  }

  button.addEventListener("click", loadBatch);
  settle();
}

/* Consent: the page does not scroll or load until the banner is answered. */

function open() {
  document.documentElement.classList.remove("covered");
  watchImages(document);
  const grid = document.querySelector("[data-results]");
  if (grid) startResults(grid);
}

const banner = byId("consent");
if (banner) {
  for (const answer of ["accept", "reject"]) {
    byId(`consent-${answer}`).addEventListener("click", () => {
      document.cookie = `consent=${answer}; path=/; max-age=31536000; samesite=lax`;
      banner.remove();
      open();
    });
  }
  byId("consent-accept").focus();
} else {
  open();
}

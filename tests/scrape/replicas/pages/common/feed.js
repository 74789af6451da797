// A page that goes on while it is scrolled: batches at its end, images once they come near the window, a button.
"use strict";

// grid: the selector of the element that holds the items.
// load(): a promise of the next batch, {html, pause, more}: its markup, whether only the button goes on from here, and
//   whether there is anything left.
// button: the selector of the button; shown while paused.
// losesScroll: whether events are lost for good that come while a batch is on its way, and a little longer.
// rerender: whether each batch replaces all that was there before with copies.
const startFeed = ({ grid, load, button, more = true, pause = false, losesScroll = false, rerender = false }) => {
  const show = (image) => {
    image.src = image.dataset.src;
    image.removeAttribute("data-src");
  };
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        if (target.dataset.src) show(target);
      }
    },
    { rootMargin: "200px 0px" },
  );
  const watch = () => document.querySelectorAll(`${grid} img[data-src]`).forEach((image) => near.observe(image));

  let busy = false;
  const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 600;
  const offer = () => {
    const element = document.querySelector(button);
    if (element) element.style.display = pause && more ? "" : "none";
  };

  const append = async () => {
    if (busy || !more) return;
    busy = true;
    try {
      const batch = await load();
      const place = document.querySelector(grid);
      place.insertAdjacentHTML("beforeend", batch.html);
      if (rerender) place.replaceWith(place.cloneNode(true));
      ({ more, pause } = batch);
    } catch (error) {
      console.error(error);
      more = false;
    }
    watch();
    offer();
    if (losesScroll) await new Promise((wake) => setTimeout(wake, 300));
    busy = false;
    if (!losesScroll) check();
  };
  const check = () => {
    if (!pause && atEnd()) append();
  };

  addEventListener("scroll", check, { passive: true });
  addEventListener("resize", check);
  document.addEventListener("click", (event) => {
    if (button && event.target.closest(button)) {
      event.preventDefault();
      pause = false;
      append();
    }
  });
  watch();
  offer();
  if (!losesScroll) check();
};

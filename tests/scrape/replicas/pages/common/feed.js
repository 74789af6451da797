// A page that grows while scrolling: batches at its end, lazy images, a "more" button.
"use strict";

// grid: selector of the element with the items.
// load(): promise of the next batch, {html, pause, more}: its HTML, whether the button must be pressed next, and
//   whether there is more.
// button: selector of the button; shown while paused.
// losesScroll: whether scroll events are lost while a batch loads, and shortly after.
// rerender: whether each batch replaces all earlier items with copies.
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

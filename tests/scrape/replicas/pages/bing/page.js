// Batches at the end of the page, and the consent banner.
"use strict";

const query = new URLSearchParams(location.search).get("q");
let first = {{ first }};
let batches = 1;

startFeed({
  ...{{ feed|tojson }},
  grid: "{{ grid }}",
  button: ".btn_seemore",
  load: async () => {
    const values = new URLSearchParams({ q: query, first, count: {{ site.batch }}, mmasync: 1 });
    const html = await (await fetch(`/images/async?${values}`)).text();
    first += {{ site.batch }};
    return { html, more: html.trim() !== "", pause: ++batches % {{ site.button_after }} === 0 };
  },
});

const banner = document.getElementById("bnp_container");
if (banner && !("stuck" in banner.dataset)) {
  for (const id of ["bnp_btn_accept", "bnp_btn_reject", "bnp_close_link"]) {
    document.getElementById(id).addEventListener("click", () => {
      document.cookie = "BCP=AD=0; path=/; secure";
      banner.remove();
    });
  }
}

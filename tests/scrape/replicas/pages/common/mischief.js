// Annoyances after the page has loaded.
"use strict";

const MISCHIEF = {
  alerts: () => {
    alert("You have won an image.");
    confirm("Do you really not want it?");
  },
  hang_script: () => {
    while (true);
  },
  popups: () => {
    for (let number = 0; number < 3; number++) window.open(`https://ads-0.test/popup/${number}`);
    addEventListener("click", () => window.open("https://ads-0.test/popup/clicked"));
  },
};

const mischief = (options) =>
  addEventListener("load", () =>
    setTimeout(() => options.modes.forEach((mode) => MISCHIEF[mode]()), options.delay),
  );

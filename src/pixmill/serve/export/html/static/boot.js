// Start the page of an exported model. Its modules are embedded, and get URLs in the order of their imports.

function load(modules, first) {
  const urls = {};
  for (const [name, source] of modules) {
    const linked = source.replace(/(?<=\bfrom ')\.\/(\w+)\.js(?=')/g, (_, other) => urls[other]);
    urls[name] = URL.createObjectURL(new Blob([linked], { type: 'text/javascript' }));
  }
  return import(urls[first]);
}

globalThis.embedded = {
  text: (id) => document.getElementById(id).textContent,
  modules: [...document.querySelectorAll('script[data-module]')].map(({ dataset, textContent }) => [dataset.module, textContent]),

  // A page that was opened as a file shares no URLs with its workers: each makes its own.
  worker() {
    const start = `${load}; addEventListener('message', ({ data }) => load(data, 'worker'), { once: true });`;
    const made = new Worker(URL.createObjectURL(new Blob([start], { type: 'text/javascript' })));
    made.postMessage(embedded.modules);
    return made;
  },
};

load(embedded.modules, 'page');

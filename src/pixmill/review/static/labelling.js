// How the grid labels images: with one label each, or with yes and no for several.
// facts: the last answer of the server; state: the last one with images.

const one = {
  n: 'next', // what the key does in a case
  key: (event) => event.key,
  // The decision that a label's key makes. known: the cells of the selected images.
  verb: () => 'label',
  said: (_verb, label) => `labelled ${label}`,
  // Whether images stay in view with that label.
  stays: (view, _facts, _verb, label) => view.scope === `class:${label}`,
  apply: () => {},
  refuses: () => true,
  // The label on a tile; given: its answer.
  shown: (_state, _index, given) => given,
  guess: (text, guess) => text || guess,
  // What the model says of an image, and its label.
  tell: (said, label) => (said.startsWith(`${label} `) ? said : `${said}${label && `, not ${label}`}`),
  below: 'Below each image: what the model says, and how sure it is.',
  group: () => 'Class',
  left: 'unlabelled',
  of: () => '',
  done: () => ['All labelled', {}],
  sample: (text) => text,
};

const words = { yes: true, no: false };

const several = {
  n: 'no',
  // With Shift it says no, so digits are known by their place.
  key: (event) => event.code.match(/^Digit(\d)$/)?.[1] ?? event.key.toLowerCase(),
  verb: (known, label, isNo) => (known.every((cells) => cells[label] === !isNo) ? 'unset' : isNo ? 'no' : 'yes'),
  said: (verb, label) => ({ yes: `labelled ${label}`, no: `labelled not ${label}`, unset: `with the ${label} of the data again` })[verb],
  stays: (view, facts, verb, label) => label !== facts.focus || view.scope === `class:${verb}`,
  // Show an answer before the server has it.
  apply: (state, rows, verb, label) => {
    state.rows.forEach((row, index) => {
      if (!rows.has(row)) return;
      state.known[index] = { ...state.known[index], [label]: words[verb] };
    });
  },
  refuses: (facts, label) => label === facts.focus,
  shown: (state, index) => Object.entries(state.known[index]).filter(([, is]) => is !== undefined).sort(([, a], [, b]) => b - a).map(([label, is]) => (is ? label : `✕ ${label}`)).join(', '),
  guess: (text, guess) => [guess, text].filter(Boolean).join(' · '),
  tell: (said, label, known) => {
    const yes = JSON.parse(said);
    const others = Object.keys({ ...yes, ...known }).filter((name) => Boolean(yes[name]) !== Boolean(known[name]));
    return others.length ? `says ${others.map((name) => (yes[name] ? name : `not ${name}`)).join(', ')}` : `says ${label}`;
  },
  below: 'Below each image: what the model says that is not known, or known otherwise.',
  group: (facts) => facts.focus,
  left: 'unknown',
  of: (facts) => `: ${facts.focus}`,
  done: ({ classes, focus }) => {
    const next = classes[(classes.findIndex(({ name }) => name === focus) + 1) % classes.length].name;
    return [`${focus}: all known`, { [`Next label: ${next}`]: { focus: next, scope: 'unlabelled', sort: 'next' } }];
  },
  sample: () => 'Label these first: they measure the accuracy honestly. They are a random sample, without suggestions: look at each image, select those that show the label, press its key, and Shift and its key for the others.',
};

export const LABELLINGS = { one_label: one, labels: several };

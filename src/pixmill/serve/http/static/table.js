// All answers as a table, for spreadsheets: no text begins like a formula, and a mark says that it is UTF-8.

import { save } from './elements.js';

const cell = (value) => {
  const guard = typeof value === 'string' && /^[=+\-@\t\r\n]/.test(value) ? "'" : '';
  return `"${guard}${String(value ?? '').replaceAll('"', '""')}"`;
};

// Return a list for a cell; a label with a semicolon is in quotes.
const listed = (found) => found.map((label) => (/[;"]/.test(label) ? `"${label.replaceAll('"', '""')}"` : label)).join(';');

function rowOf({ name, answer = {}, error }, { classes, labels: several }) {
  const { label, confidence, sure, unlike, labels, probabilities, message } = answer;
  const predicted = labels ? listed(labels.filter((one) => one.answer).map((one) => one.label)) : label;
  const flags = several ? classes.flatMap((_, at) => [labels?.[at].answer, labels?.[at].sure]) : [];
  return [name, predicted, confidence, sure, unlike, ...classes.map((each) => probabilities?.[each]), ...flags, error?.message ?? message];
}

export function download(items, model) {
  const { classes, labels } = model;
  const flags = labels ? classes.flatMap((each) => [`yes_${each}`, `sure_${each}`]) : [];
  const head = ['name', 'predicted', 'confidence', 'sure', 'unlike', ...classes.map((each) => `p_${each}`), ...flags, 'reason'];
  const lines = [head, ...items.map((item) => rowOf(item, model))].map((row) => row.map(cell).join(','));
  save('predictions.csv', new Blob([`\uFEFF${lines.join('\r\n')}\r\n`], { type: 'text/csv' }));
}

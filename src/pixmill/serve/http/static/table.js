// All answers as a table, for spreadsheets: no text begins like a formula, and a mark says that it is UTF-8.

import { save } from './elements.js';

const cell = (value) => {
  const guard = typeof value === 'string' && /^[=+\-@\t\r\n]/.test(value) ? "'" : '';
  return `"${guard}${String(value ?? '').replaceAll('"', '""')}"`;
};

function rowOf({ name, answer = {}, error }, classes) {
  const { label, confidence, sure, unlike, probabilities, message } = answer;
  return [name, label, confidence, sure, unlike, ...classes.map((each) => probabilities?.[each]), error?.message ?? message];
}

export function download(items, classes) {
  const head = ['name', 'predicted', 'confidence', 'sure', 'unlike', ...classes.map((each) => `p_${each}`), 'reason'];
  const lines = [head, ...items.map((item) => rowOf(item, classes))].map((row) => row.map(cell).join(','));
  save('predictions.csv', new Blob([`\uFEFF${lines.join('\r\n')}\r\n`], { type: 'text/csv' }));
}

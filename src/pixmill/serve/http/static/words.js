// Format numbers and names; parse URLs.

import { percent as tenth } from './percent.js';

export { tenth };
// A confidence is never 0 or 100 %.
export const percent = (p) => (p > 0.9995 ? '>99.9 %' : p < 0.0005 ? '<0.1 %' : tenth(p));
export const spoken = (p) => percent(p).replace('>', 'over ').replace('<', 'under ');
export const count = (n, noun) => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;
export const size = (bytes) => (bytes < 1 << 20 ? `${Math.max(1, Math.round(bytes / 1024))} kB` : `${(bytes / (1 << 20)).toFixed(1).replace('.0', '')} MB`);
export const about = (seconds) => (seconds < 55 ? `about ${count(5 * Math.ceil(seconds / 5), 'second')}` : `about ${count(Math.round(seconds / 60), 'minute')}`);
export const day = (when) => new Date(when).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
export const cut = (text, most = 48) => (text.length <= most ? text : `${text.slice(0, most - 13)}…${text.slice(-12)}`);
export const extension = (name) => name.match(/\.(\w{2,5})$/)?.[1].toUpperCase();
export const either = (names) => (names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`);

// Return what a person says: a class, '' for none of them, or yes and no of several labels.
export const corrected = (right) => (typeof right === 'object' && right ? Object.entries(right).map(([label, has]) => `‘${label}’ ${has ? 'yes' : 'no'}`).join(', ') : right ? `‘${right}’` : 'none of the classes');

// Return what to think of an answer.
export function verdict({ answer, error }) {
  if (error) return 'no answer';
  if (answer.reason) return 'not readable';
  if (answer.unlike) return 'unlike the training images';
  return { true: 'sure', false: 'not sure' }[answer.sure] ?? '';
}

// Return the URL in a typed or pasted text; null if there is none.
export function readUrl(text) {
  const trimmed = text.trim();
  if (!trimmed || /\s/.test(trimmed)) return null;
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:/i.test(trimmed) ? trimmed : `https://${trimmed}`);
    return /^https?:$/.test(url.protocol) && /[.:]/.test(url.host) ? url.href : null;
  } catch {
    return null;
  }
}

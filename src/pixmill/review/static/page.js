// What both views of the page share: requests, messages, dialogs.
// All content is untrusted: it is set as text, never as markup.

import { LABEL_KEYS, labelButton } from './labels.js';

export const part = (id) => document.getElementById(id);
export const window_ = (sessionStorage.window ??= Math.random().toString(36).slice(2)); // identifies this tab on the server

export function make(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

export async function ask(path, body) {
  const request = body && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Error('The server has stopped. Start it again with: pixmill review');
  }
  const text = await answer.text();
  if (!answer.ok && answer.status !== 409) throw new Error(text);
  const content = text.startsWith('{') ? JSON.parse(text) : { error: text };
  if (content.error) throw new Error(content.next ? `${content.error}\nNext: ${content.next}` : content.error);
  return content;
}

export const decide = (body) => ask('decide', { ...body, window: window_ });
export const undo = () => ask(`undo?window=${window_}`, {});

// Start a run, and show the project's page: if one is on, it shows that; else a start that failed can be repeated there.
export async function train() {
  await ask('../pipeline/start', {}).catch(() => null);
  location.assign('../#start');
}

// Kinds of cases, in words.
export const KINDS = {
  feedback: 'corrections', disputed: 'disputed labels', conflicts: 'conflicting labels', labels: 'doubtful labels', flips: 'newly wrong',
  errors: 'wrong predictions', 'near-duplicates': 'near-duplicates', uncertain: 'unsure predictions', outliers: 'unlike their class', dropped: 'dropped by a rule', named: 'the image you named',
};

// While the page reads, a line at the top says so, and the controls do nothing. An empty text ends it.
export function wait(text, done = 0, all = 0) {
  part('waiting').hidden = !text;
  part('waiting-text').textContent = text;
  if (all) Object.assign(part('waiting-bar'), { max: all, value: done });
  else part('waiting-bar').removeAttribute('value');
  for (const item of document.querySelectorAll('[data-waits]')) item.inert = Boolean(text);
}

export const say = (text) => { part('status').textContent = text; };

export function warn(text) {
  part('alert').textContent = text;
  part('alert').hidden = !text;
  if (text) part('alert').scrollIntoView({ block: 'nearest' });
}

export const close = () => document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close());

// ---- the dialog of labels

let labels = null; // {classes, likely, choose}

// Ask for a label: by its key, by a click, or typed. classes: [{name, count}]; likely: names to mark; keyed: whether
// keys choose before one types; choose(name): called once.
export function askLabel(content) {
  labels = content;
  part('filter').value = '';
  drawLabels();
  part('labels').showModal();
  part(labels.keyed ? 'cancel' : 'filter').focus(); // with the focus on "Cancel", Enter decides nothing
}

function drawLabels() {
  const wanted = part('filter').value.trim();
  const found = labels.classes.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase())).slice(0, 200);
  const buttons = found.map(({ name, count }) => {
    const key = labels.keyed && !wanted ? LABEL_KEYS[labels.classes.findIndex((one) => one.name === name)] : '';
    return labelButton({ name, key, count, isLikely: labels.likely?.has(name) }, chooseLabel);
  });
  if (wanted && !labels.classes.some(({ name }) => name === wanted)) buttons.push(labelButton({ name: wanted, text: `New class: ${wanted}` }, chooseLabel));
  part('found').replaceChildren(...buttons);
}

function chooseLabel(name) {
  close();
  labels.choose(name);
}

// Handle a key in a dialog; whether there is one.
export function dialogKey(event) {
  if (!document.querySelector('dialog[open]')) return false;
  if (!part('labels').open) {
    if (event.key === '?') close();
    return true;
  }
  const isTyping = event.target === part('filter');
  let name = null;
  if (isTyping && event.key === 'Enter') {
    // Of several classes, only the one that is typed whole.
    const wanted = part('filter').value.trim();
    const buttons = [...part('found').children];
    name = (buttons.find(({ dataset }) => dataset.label === wanted) ?? (buttons.length === 1 ? buttons[0] : null))?.dataset.label;
  } else if (!isTyping && event.key === '/') {
    part('filter').focus();
    event.preventDefault();
  } else if (!isTyping && event.key.length === 1) name = labels.keyed && labels.classes[LABEL_KEYS.indexOf(event.key)]?.name;
  if (name || (isTyping && event.key === 'Enter')) event.preventDefault();
  if (name) chooseLabel(name);
  return true;
}

part('filter').addEventListener('input', drawLabels);

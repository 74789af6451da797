// Classes as buttons, with the same keys wherever people label.

export const LABEL_KEYS = '123456789bcdfghijklmnopqrstuvwy0'; // `a`, `e`, `x` and `z` have other meanings

// Return a button that calls choose(name). count: its images; text: shown instead of its name.
export function labelButton({ name, key, count, text = name, isLikely = false }, choose) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.label = name;
  button.classList.toggle('likely', isLikely);
  const add = (tag, content) => button.append(Object.assign(document.createElement(tag), { textContent: content }));
  add('span', text);
  if (key) add('kbd', key);
  if (count !== undefined) add('small', ` ${count.toLocaleString('en')}`);
  button.addEventListener('click', (event) => choose(name, event.shiftKey));
  return button;
}

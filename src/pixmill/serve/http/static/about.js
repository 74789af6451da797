// Facts about the model.

import { make, part } from './elements.js';
import { limits } from './labels.js';
import { count, day, tenth } from './words.js';

const of = (seconds) => (seconds ? ` of ${day(1000 * seconds)}` : '');

// Return which version it is, in words: its commit, if it has no number.
export const version = ({ version: number, promoted, commit, committed }) => (number ? `version ${number}${of(promoted)}` : commit && `commit ${commit.slice(0, 8)}${of(committed)}`);

// The first caution is for the owner, if no answer is sure: how to change that.
const isSilent = ({ labels, threshold }) => threshold === null && !Object.values(labels ?? {}).some(({ sure_yes: yes, sure_no: no }) => yes !== null || no !== null);
const warnings = ({ cautions = [], ...model }) => (isSilent(model) ? ['The tests do not show from which confidence on an answer is reliable, so the model calls none sure: check each answer.', ...cautions.slice(1)] : cautions);

export function about(model) {
  const { metrics = {}, classes, threshold } = model;
  const name = model.labels ? 'exact_match' : 'accuracy';
  const { [name]: accuracy, [`${name}_low`]: low, [`${name}_high`]: high, n } = metrics;
  part('accuracy').replaceChildren();
  if (accuracy !== undefined) {
    const correct = model.labels ? 'All labels correct' : 'Correct';
    const tested = n === undefined ? 'of its test images' : `of ${count(n, 'test image')}`;
    part('accuracy').append(
      make('p', { className: 'big' }, n === undefined ? `${correct} on ${tenth(accuracy)} ${tested}.` : `${correct} on ${Math.round(accuracy * n).toLocaleString('en')} ${tested}.`),
      ...(low === undefined ? [] : [span(accuracy, low, high)]),
      make('p', { className: 'faint' }, `${model.labels ? 'Share' : 'Accuracy'} ${tenth(accuracy)}${low === undefined ? '' : `; 95 % confidence interval ${tenth(low)} to ${tenth(high)}`}. The model was not trained on these images.`),
    );
  }
  part('accuracy').append(...warnings(model).map((caution) => make('p', {}, caution)));
  const facts = [
    ['Name', model.name],
    ['Version', model.version && `${model.version}${of(model.promoted)}`],
    [model.labels ? 'Labels' : 'Classes', classes.length <= 12 ? classes.join(', ') : make('details', {}, make('summary', {}, classes.length.toLocaleString('en')), classes.join(', '))],
    ['Answers', model.labels && make('details', {}, make('summary', {}, 'yes or no for each label'), ...limits(model.labels))],
    ['Sure from', threshold === null ? null : `${tenth(threshold)} confidence`],
    ['Image size', `${model.image_size} pixels`],
    ['Digest', model.digest && make('code', { title: model.digest }, model.digest.slice(0, 12))],
    ['Commit', model.commit && make('span', {}, make('code', { title: model.commit }, model.commit.slice(0, 8)), of(model.committed))],
    ['Weights', model.small && 'Rounded to half precision'],
    ['Made with', model.made_with],
  ];
  part('facts').replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
}

// The accuracy on a line from 0 to 100 %, with its confidence interval.
function span(at, low, high) {
  const draw = (tag, properties) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
    return made;
  };
  const svg = draw('svg', { class: 'span', viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  svg.append(draw('rect', { class: 'whole', width: 100, height: 4 }), draw('rect', { class: 'interval', x: 100 * low, width: 100 * (high - low), height: 4 }), draw('rect', { class: 'point', x: 100 * at - 0.25, width: 0.5, height: 4 }));
  return svg;
}

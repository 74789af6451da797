// Yes or no for each label, as `CellsHead` and `CellCalibration`: probabilities pass through 32 bits before the temperatures.

const sigmoid = (value) => 1 / (1 + Math.exp(-value));
const logit = (p) => Math.log(p / (1 - p));

// Return the answer for probabilities (calibrated ones of an exported model) or logits.
export function cells(outputs, { classes, calibration }) {
  const { temperatures, thresholds, sure_yes: yes, sure_no: no, novelty_limit: limit } = calibration;
  const raw = [...(outputs.logits ?? outputs.probabilities ?? Object.values(outputs)[0])];
  const unlike = outputs.novelty && limit !== null ? !(outputs.novelty[0] <= limit) : null;
  const labels = classes.map((label, at) => {
    const clipped = Math.min(Math.max(raw[at], 2 ** -126), 1 - 2 ** -25);
    const plain = Math.fround(sigmoid(outputs.probabilities ? Math.fround(logit(clipped)) : raw[at]));
    const probability = temperatures ? sigmoid(logit(plain) / temperatures[at]) : plain;
    const answer = probability >= thresholds[at];
    const from = answer ? yes[at] : no[at];
    const reached = answer ? probability >= from : probability <= from;
    return { label, probability, answer, sure: from === null ? null : !unlike && reached };
  });
  const found = labels.filter(({ answer }) => answer).map(({ label }) => label);
  return {
    label: found.join(', ') || 'none of these',
    confidence: Math.min(...labels.map(({ answer, probability }) => (answer ? probability : 1 - probability))),
    sure: labels.every(({ sure }) => sure === null) ? null : labels.every(({ sure }) => sure),
    unlike,
    labels,
    probabilities: Object.fromEntries(labels.map(({ label, probability }) => [label, probability])),
  };
}

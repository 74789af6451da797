// The one way to write a share.

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

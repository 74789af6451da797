// The model's square input, byte for byte as `pixmill.images.fit` and Pillow compute it. Pixels are RGBA; alpha is ignored.

const BITS = 22; // of the fraction, as in Pillow's Resample.c

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

// Half of a filter's width in pixels of the smaller image, and its weight at a distance from the centre.
const FILTERS = {
  box: [0.5, (x) => Number(x > -0.5 && x <= 0.5)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (signed) => {
    const x = Math.abs(signed);
    if (x < 1) return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  }],
  lanczos: [3, (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

// Python's round and NumPy's rint: halves go to the even number.
function round(value) {
  const nearest = Math.round(value); // halves go up
  return nearest - value === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

// For each output pixel: the first input pixel, and the weights in fixed point.
function* weights(length, size, name) {
  const scale = length / size;
  if (name === 'nearest') {
    // Pillow adds up the steps, so that rounding errors add up, too.
    for (let at = 0, place = scale * 0.5; at < size; at += 1, place += scale) yield { first: Math.trunc(place), fixed: [1 << BITS] };
    return;
  }
  const [radius, filter] = FILTERS[name];
  const stretch = Math.max(scale, 1);
  for (let at = 0; at < size; at += 1) {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - radius * stretch + 0.5));
    const end = Math.min(length, Math.trunc(centre + radius * stretch + 0.5));
    const fixed = new Float64Array(end - first);
    let sum = 0;
    for (let tap = 0; tap < fixed.length; tap += 1) {
      fixed[tap] = filter((tap + first - centre + 0.5) * (1 / stretch));
      sum += fixed[tap];
    }
    for (let tap = 0; tap < fixed.length; tap += 1) {
      const value = fixed[tap] / (sum || 1) * 2 ** BITS;
      fixed[tap] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
    yield { first, fixed };
  }
}

// Resize the width or the height.
function stretch(image, side, size, name) {
  if (image[side] === size) return image;
  const { data: source, width } = image;
  const target = { ...image, [side]: size };
  target.data = new Uint8ClampedArray(4 * target.width * target.height);
  const isWidth = side === 'width';
  const lines = isWidth ? image.height : width;
  // Distances between neighbours along this side, and between lines of them.
  const [step, apart, writtenApart] = isWidth ? [4, 4 * width, 4 * size] : [4 * width, 4, 4];
  let start = 0;
  for (const { first, fixed } of weights(image[side], size, name)) {
    for (let line = 0; line < lines; line += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 1 << (BITS - 1); // a half
        let from = line * apart + first * step + channel;
        for (let tap = 0; tap < fixed.length; tap += 1, from += step) sum += source[from] * fixed[tap];
        target.data[start + line * writtenApart + channel] = sum >> BITS;
      }
    }
    start += step;
  }
  return target;
}

function resize(image, columns, rows, name) {
  const { width, height } = image;
  const sizes = { width: columns, height: rows };
  // The order matters, since each pass rounds: as Pillow 13, the height comes first if it shrinks far more.
  const isTall = height > rows && height - rows > 2 * (width - columns);
  const sides = isTall ? ['height', 'width'] : ['width', 'height'];
  return sides.reduce((each, side) => stretch(each, side, sizes[side], name), image);
}

// Put an image into the middle of a square; what exceeds it is cut off.
function centre({ data, width, height }, side, colour) {
  const square = new Uint8ClampedArray(4 * side * side);
  for (let at = 0; at < square.length; at += 4) square.set(colour, at);
  const left = Math.trunc((side - width) / 2);
  const top = Math.trunc((side - height) / 2);
  for (let y = Math.max(0, top); y < Math.min(side, top + height); y += 1) {
    const from = 4 * ((y - top) * width + Math.max(0, -left));
    square.set(data.subarray(from, from + 4 * Math.min(width, side)), 4 * (y * side + Math.max(0, left)));
  }
  return { data: square, width: side, height: side };
}

// The mean of the first and last rows and columns.
function edge({ data, width, height }) {
  return [0, 1, 2].map((channel) => {
    const at = (x, y) => data[4 * (y * width + x) + channel];
    let sum = 0;
    for (let x = 0; x < width; x += 1) sum += at(x, 0) + at(x, height - 1);
    for (let y = 0; y < height; y += 1) sum += at(0, y) + at(width - 1, y);
    return round(sum / (2 * (width + height)));
  });
}

// Return the pixels of the square input, RGBA. An image has `data` (RGBA), `width` and `height`.
export function fit(image, { image_size: side, aspect, resize: name }) {
  const { width, height } = image;
  if (aspect === 'stretch') return resize(image, side, side, name).data;
  if (aspect === 'crop') return resize(centre(image, Math.min(width, height), [0, 0, 0]), side, side, name).data;
  const longer = Math.max(width, height);
  const [columns, rows] = [width, height].map((length) => Math.max(1, round(length * side / longer)));
  return centre(resize(image, columns, rows, name), side, edge(image)).data;
}

// How arrays are shown in other sizes: means, and cubic convolution (Keys 1981, a = -1/2).

/**
 * Interpolates rows [height, width * channels] and columns at fractional positions.
 * @param {ArrayLike<number>} values [height, width, channels].
 * @param {number[]} size [height, width, channels].
 * @param {Float64Array} rows Positions, sample i being at i; edges repeat.
 * @param {Float64Array} columns Likewise.
 * @returns {Float32Array | Float64Array} [rows.length, columns.length, channels].
 */
export function sample(values, [height, width, channels], rows, columns) {
  const line = width * channels;
  const tall = along(values, 1, height, line, rows);
  return along(tall, rows.length, width, channels, columns);
}

/** The type of what is made of values. */
function floatsOf(values) {
  return values instanceof Float64Array ? Float64Array : Float32Array;
}

function along(values, outer, count, inner, positions) {
  const out = new (floatsOf(values))(outer * positions.length * inner);
  positions.forEach((position, p) => {
    const lower = Math.floor(position);
    const t = position - lower;
    const weights = [
      ((-0.5 * t + 1) * t - 0.5) * t,
      (1.5 * t - 2.5) * t * t + 1,
      ((-1.5 * t + 2) * t + 0.5) * t,
      (0.5 * t - 0.5) * t * t,
    ];
    const [a, b, c, d] = [-1, 0, 1, 2].map((step) =>
      Math.min(Math.max(lower + step, 0), count - 1) * inner);
    for (let o = 0; o < outer; o++) {
      const from = o * count * inner;
      const to = (o * positions.length + p) * inner;
      if (!t) { // a sample itself
        for (let k = 0; k < inner; k++) out[to + k] = values[from + b + k];
        continue;
      }
      for (let k = from; k < from + inner; k++) {
        out[to + k - from] = weights[0] * values[k + a] + weights[1] * values[k + b]
          + weights[2] * values[k + c] + weights[3] * values[k + d];
      }
    }
  });
  return out;
}

/** Means over `out` equal parts of the samples [start, start + extent) of an axis. */
function means(values, outer, count, inner, start, extent, out) {
  const found = new (floatsOf(values))(outer * out * inner);
  for (let p = 0; p < out; p++) {
    const [from, to] = [p, p + 1].map((edge) => start + (edge * extent) / out);
    for (let i = Math.floor(from); i < to; i++) {
      const share = ((Math.min(i + 1, to) - Math.max(i, from)) * out) / extent;
      for (let o = 0; o < outer; o++) {
        const [source, target] = [(o * count + i) * inner, (o * out + p) * inner];
        for (let k = 0; k < inner; k++) found[target + k] += share * values[source + k];
      }
    }
  }
  return found;
}

/**
 * A part of an array in another size: along an axis that shrinks means of what new samples cover.
 * @param {ArrayLike<number>} values [.., channels].
 * @param {number[]} size [.., channels].
 * @param {number[]} start First sample of the part along each axis.
 * @param {number[]} extent Samples of the part along each axis.
 * @param {number[]} shape Samples of the result along each axis.
 * @returns {Float32Array | Float64Array} [.., channels].
 */
export function resized(values, size, start, extent, shape) {
  const product = (sides) => sides.reduce((total, side) => total * side, 1);
  return shape.reduce((array, out, axis) => {
    const [from, length, count] = [start[axis], extent[axis], size[axis]];
    const [outer, inner] = [product(shape.slice(0, axis)), product(size.slice(axis + 1))];
    return out < length
      ? means(array, outer, count, inner, from, length, out)
      : along(array, outer, count, inner, centres(from, length, out));
  }, values);
}

/** Centres of `out` equal parts of samples [start, start + extent), sample i being at i. */
export function centres(start, extent, out) {
  return Float64Array.from({ length: out }, (_, i) => start + (i + 0.5) * (extent / out) - 0.5);
}

// Cubic convolution (Keys 1981, a = -1/2): how arrays are shown in other sizes.

/**
 * Interpolates rows [height, width * channels] and columns at fractional positions.
 * @param {ArrayLike<number>} values [height, width, channels].
 * @param {number[]} size [height, width, channels].
 * @param {Float64Array} rows Positions, sample i being at i; edges repeat.
 * @param {Float64Array} columns Likewise.
 * @returns {Float32Array} [rows.length, columns.length, channels].
 */
export function sample(values, [height, width, channels], rows, columns) {
  const line = width * channels;
  const tall = along(values, 1, height, line, rows);
  return along(tall, rows.length, width, channels, columns);
}

function along(values, outer, count, inner, positions) {
  const out = new Float32Array(outer * positions.length * inner);
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
      for (let k = from; k < from + inner; k++) {
        out[to + k - from] = weights[0] * values[k + a] + weights[1] * values[k + b]
          + weights[2] * values[k + c] + weights[3] * values[k + d];
      }
    }
  });
  return out;
}

/** Centres of `out` equal parts of samples [start, start + extent), sample i being at i. */
export function centres(start, extent, out) {
  return Float64Array.from({ length: out }, (_, i) => start + (i + 0.5) * (extent / out) - 0.5);
}

// The biorthogonal 9/7 wavelet (docs/format.md, "From symbols to pixels").

const LIFTING = [0.443506852043971, 0.882911075530934, -0.052980118572961, -1.586134342059924];
const SCALE = 1.1496043988602418;

/** [height, width] of the input of each level, finest first, and of the coarse part. */
export function sizes(height, width, levels) {
  return Array.from({ length: levels + 1 }, (_, level) =>
    [Math.ceil(height / 2 ** level), Math.ceil(width / 2 ** level)]);
}

/** [rows, columns] of the three details of an input of this size. */
export function detailSizes(height, width) {
  const [low, high] = [[height + 1 >> 1, width + 1 >> 1], [height >> 1, width >> 1]];
  return [[low[0], high[1]], [high[0], low[1]], high];
}

/** Joins low [outer, a, inner] and high [outer, b, inner] values, in their type; a is b or b + 1. */
function join(low, high, outer, a, b, inner) {
  if (!b) return low.slice(0, outer * a * inner);
  const n = a + b;
  const x = new low.constructor(outer * n * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < n; i++) {
      const part = i % 2 ? high : low;
      const from = (o * (i % 2 ? b : a) + (i >> 1)) * inner;
      const scale = i % 2 ? -SCALE : 1 / SCALE;
      const to = (o * n + i) * inner;
      for (let k = 0; k < inner; k++) x[to + k] = part[from + k] * scale;
    }
    LIFTING.forEach((weight, step) => {
      for (let i = step % 2; i < n; i += 2) {
        const at = (o * n + i) * inner;
        const left = (o * n + (i ? i - 1 : 1)) * inner; // mirrored at the ends
        const right = (o * n + (i + 1 < n ? i + 1 : n - 2)) * inner;
        for (let k = 0; k < inner; k++) x[at + k] -= weight * (x[left + k] + x[right + k]);
      }
    });
  }
  return x;
}

/**
 * One channel of a picture, or its low part where the finest `skip` levels are left out.
 * @param {Float32Array|Float64Array} coarse What is left after the last level, row-major.
 * @param {Array[]} details In the same type, of each level, finest first, the three directions, row-major.
 */
export function synthesise(coarse, details, height, width, skip) {
  const shapes = sizes(height, width, details.length);
  let picture = coarse;
  for (let level = details.length - 1; level >= skip; level--) {
    const [h, w] = shapes[level];
    const [[lowRows, highColumns], [highRows, lowColumns]] = detailSizes(h, w);
    const [columns, rows, both] = details[level];
    const low = join(picture, rows, 1, lowRows, highRows, lowColumns);
    const high = join(columns, both, 1, lowRows, highRows, highColumns);
    picture = join(low, high, h, lowColumns, highColumns, 1);
  }
  return picture;
}

/** Splits lines of n values along the middle axis of x [outer, n, inner] into low and high ones. */
function split(x, outer, n, inner) {
  const [a, b] = [n + 1 >> 1, n >> 1];
  const low = new Float32Array(outer * a * inner);
  const high = new Float32Array(outer * b * inner);
  if (!b) return [x, high];
  const { fround } = Math;
  for (let o = 0; o < outer; o++) {
    const from = o * n * inner;
    [...LIFTING].reverse().forEach((weight, step) => {
      const factor = fround(weight);
      for (let i = 1 - (step % 2); i < n; i += 2) {
        const at = from + i * inner;
        const left = from + (i ? i - 1 : 1) * inner; // mirrored at the ends
        const right = from + (i + 1 < n ? i + 1 : n - 2) * inner;
        for (let k = 0; k < inner; k++) {
          x[at + k] += fround(factor * fround(x[left + k] + x[right + k]));
        }
      }
    });
    for (let i = 0; i < n; i++) {
      const part = i % 2 ? high : low;
      const factor = fround(i % 2 ? -1 / SCALE : SCALE);
      const to = (o * (i % 2 ? b : a) + (i >> 1)) * inner;
      for (let k = 0; k < inner; k++) part[to + k] = x[from + i * inner + k] * factor;
    }
  }
  return [low, high];
}

/**
 * Coefficients of one channel of a picture, every step rounded to float32 as the Python encoder does.
 * @param {Float32Array} picture Row-major; changed.
 * @returns {{coarse: Float32Array, details: Float32Array[][]}} As `synthesise` takes them.
 */
export function analyse(picture, height, width, levels) {
  const details = [];
  let coarse = picture;
  for (const [h, w] of sizes(height, width, levels).slice(0, levels)) {
    const [low, high] = split(coarse, h, w, 1);
    const [smooth, rows] = split(low, 1, h, w + 1 >> 1);
    const [columns, both] = split(high, 1, h, w >> 1);
    details.push([columns, rows, both]);
    coarse = smooth;
  }
  return { coarse, details };
}

// The colours of pixels that can't be seen, as `mscn encode` chooses them.

/**
 * Gives unseen pixels smooth colours of those around, in place: means of those that are seen, in
 * squares of 2, 4, 8 ... pixels (pull-push, Gortler et al. 1996).
 * @param {Uint8ClampedArray} rgba [height, width, 4].
 * @param {Uint8Array} seen [height, width], 0 where nothing is.
 */
export function filled(rgba, seen, height, width) {
  if (seen.every((value) => value)) return;
  const [rows, columns] = [height + 1 >> 1, width + 1 >> 1];
  const { means, weights } = squares(rgba, seen, [height, width], [rows, columns]);
  if (height * width > 1) filled(means, weights, rows, columns);
  const wide = 2 * columns;
  const larger = doubled(means, rows, columns);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (seen[at]) continue;
      for (let c = 0; c < 3; c++) rgba[4 * at + c] = larger[4 * (y * wide + x) + c];
    }
  }
}

/** Means, rounded down, of the pixels of each square that are seen, and how many these are. */
function squares(rgba, seen, [height, width], [rows, columns]) {
  const sums = new Uint16Array(4 * rows * columns);
  const weights = new Uint8Array(rows * columns);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (!seen[at]) continue;
      const square = (y >> 1) * columns + (x >> 1);
      weights[square] += 1;
      for (let c = 0; c < 3; c++) sums[4 * square + c] += rgba[4 * at + c];
    }
  }
  const means = new Uint8ClampedArray(sums.length);
  for (let i = 0; i < sums.length; i++) means[i] = Math.floor(sums[i] / Math.max(weights[i >> 2], 1));
  return { means, weights };
}

/** Twice as large, bilinear: along rows and then along columns, each rounded to whole numbers. */
function doubled(pixels, rows, columns) {
  const wide = along(pixels, rows, columns, 4);
  return along(wide, 1, rows, 8 * columns);
}

function along(values, outer, count, inner) {
  const out = new Uint8ClampedArray(2 * values.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < 2 * count; i++) {
      const own = i >> 1;
      const other = Math.min(Math.max(own + (i % 2 ? 1 : -1), 0), count - 1);
      for (let k = 0; k < inner; k++) {
        const near = values[(o * count + own) * inner + k];
        const far = values[(o * count + other) * inner + k];
        out[(o * 2 * count + i) * inner + k] = (3 * near + far + 2) >> 2;
      }
    }
  }
  return out;
}

// Residuals: what brings decoded values within a bound (docs/format.md, "Residuals").

import { MscnError } from "./errors.js";
import { RangeDecoder } from "./range.js";

const LARGEST = 2 ** 16; // size that contexts tell apart
const ABOVE = [-3, -2, -1, 0, 1, 2, 3];
const FURTHER = [-2, -1, 0, 1, 2];
const HEAD = 9; // bytes

/**
 * Decodes the residual of an item of two axes.
 * @param {Tables} tables Of the codec.
 * @param {Uint8Array} payload Not empty.
 * @param {number[]} size [height, width, channels].
 * @returns {{step: number, steps: Int32Array}} Row-major, channels last.
 */
export function decodeResidual(tables, payload, [height, width, channels]) {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const step = payload.length < HEAD ? 0 : view.getFloat64(0, true);
  if (!(step > 0 && step < Infinity) || payload[8] >= tables.count) {
    throw new MscnError("the residual is damaged; get a fresh copy");
  }
  const means = tables.means();
  const first = means[payload[8]];
  const decoder = new RangeDecoder(payload.subarray(HEAD));
  const length = width * channels;
  const steps = new Int32Array(height * length);
  const indices = new Uint16Array(length);
  let above = new Int32Array(length);
  let further = new Int32Array(length);
  for (let row = 0; row < height; row++) {
    const average = Math.floor((LARGEST * above.reduce((sum, size) => sum + size, 0)) / length);
    for (let j = 0; j < length; j++) {
      let near = 0;
      for (const i of ABOVE) near += above[j + i * channels] ?? 0;
      for (const i of FURTHER) near += further[j + i * channels] ?? 0;
      const expected = Math.floor((2 * Math.floor((LARGEST * near) / 12) + average + first) / 4);
      indices[j] = firstAtLeast(means, expected);
    }
    const line = steps.subarray(row * length, (row + 1) * length);
    tables.decode(decoder, indices, length, line);
    [above, further] = [line.map((value) => Math.min(Math.abs(value), LARGEST)), above];
  }
  return { step, steps };
}

/** Place of the first of rising values that is at least so large, or the last place. */
function firstAtLeast(values, wanted) {
  let low = 0;
  for (let high = values.length - 1; low < high; ) {
    const middle = (low + high) >> 1;
    if (values[middle] >= wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Moves decoded values by steps, in place: those of a part [height, width] that starts at `start`.
 * @param {Uint8ClampedArray | Float32Array} values [height, width, channels]; bytes are clipped.
 */
export function correct(values, { step, steps }, wholeWidth, channels, [top, left], [height, width]) {
  for (let y = 0, i = 0; y < height; y++) {
    const from = ((top + y) * wholeWidth + left) * channels;
    for (let x = 0; x < width * channels; x++, i++) values[i] += steps[from + x] * step;
  }
}

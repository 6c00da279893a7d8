// Residuals: what brings decoded values within a bound (docs/format.md, "Residuals").

import { samplesOf } from "./container.js";
import { MscnError } from "./errors.js";
import { RangeDecoder } from "./range.js";

const LARGEST = 2 ** 16; // size that contexts tell apart
const ABOVE = [-3, -2, -1, 0, 1, 2, 3];
const FURTHER = [-2, -1, 0, 1, 2];
const HEAD = 9; // bytes
const SHORT_ROW = 256; // samples of a row, where a signal has one axis

/**
 * Decodes the residual of an item.
 * @param {Tables} tables Of the codec.
 * @param {Uint8Array} payload Not empty.
 * @param {number[]} size [.., channels].
 * @returns {{step: number, steps: Int32Array}} Row-major, channels last.
 */
export function decodeResidual(tables, payload, size) {
  const channels = size[size.length - 1];
  const total = samplesOf(size);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const step = payload.length < HEAD ? 0 : view.getFloat64(0, true);
  if (!(step > 0 && step < Infinity) || payload[8] >= tables.count) {
    throw new MscnError("the residual is damaged; get a fresh copy");
  }
  const means = tables.means();
  const first = means[payload[8]];
  const decoder = new RangeDecoder(payload.subarray(HEAD));
  const length = (size.length > 2 ? size[size.length - 2] : SHORT_ROW) * channels;
  const steps = new Int32Array(total);
  const indices = new Uint16Array(length);
  let above = new Int32Array(length);
  let further = new Int32Array(length);
  for (let start = 0; start < total; start += length) {
    const average = Math.floor((LARGEST * above.reduce((sum, size) => sum + size, 0)) / length);
    for (let j = 0; j < length; j++) {
      let near = 0;
      for (const i of ABOVE) near += above[j + i * channels] ?? 0;
      for (const i of FURTHER) near += further[j + i * channels] ?? 0;
      const expected = Math.floor((2 * Math.floor((LARGEST * near) / 12) + average + first) / 4);
      indices[j] = firstAtLeast(means, expected);
    }
    const line = steps.subarray(start, start + length); // the last row of a signal may be shorter
    tables.decode(decoder, indices, line.length, line);
    const sizes = new Int32Array(length);
    line.forEach((value, j) => (sizes[j] = Math.min(Math.abs(value), LARGEST)));
    [above, further] = [sizes, above];
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
 * Moves decoded values by steps, in place: those of a part of this shape that begins at `start`.
 * @param {Uint8ClampedArray | Float32Array} values [.., channels]; bytes are clipped.
 * @param {number[]} whole Samples of the item along each axis.
 */
export function correct(values, { step, steps }, whole, channels, start, shape) {
  const last = shape.length - 1;
  const width = shape[last] * channels;
  for (let at = 0, row = 0; at < values.length; at += width, row++) {
    let [from, stride, rest] = [start[last], whole[last], row];
    for (let axis = last - 1; axis >= 0; axis--) {
      from += (start[axis] + (rest % shape[axis])) * stride;
      stride *= whole[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    for (let x = 0; x < width; x++) values[at + x] += steps[from * channels + x] * step;
  }
}

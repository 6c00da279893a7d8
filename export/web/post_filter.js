// What mends decoded pictures: convolutions in whole numbers (docs/format.md, "The filter").

import { MscnError } from "./errors.js";
import { createSession, loadRuntime } from "./network.js";
import { betweenQualities, checked, shaped } from "./tables.js";

const GRAPH = "post_filter.onnx";
const LAYERS = 4;
const SHIFT = 10;
const MIDDLE_QUALITY = 88;
const INPUT_SCALE = 1024;
const LARGEST_INPUT = 1023;
const OUTPUT_SCALE = 512; // of corrections, in units of the error that is expected
const TOGETHER = 2 ** 19; // pixels that are run at once
export const MARGIN = 2 * LAYERS;

/** Whole numbers at a quality so many sixteenths from the middle one, in their unit. */
function told(constant, slope, away) {
  return Float32Array.from(constant, (value, i) =>
    (value + Math.floor((slope[i] * away + 32) / 64)) * 2 ** -SHIFT);
}

/**
 * Values with some more rows and columns around them, which repeat those at the edges.
 * @param {Float32Array|Float64Array} values [h, w, C].
 * @param {number[]} before How many rows and columns come first.
 * @param {number[]} size [h, w, C] of the result.
 */
export function padded(values, [height, width, channels], before, size) {
  const out = new values.constructor(size[0] * size[1] * channels);
  const within = (at, i, side) => Math.min(Math.max(at - before[i], 0), side - 1);
  for (let row = 0, at = 0; row < size[0]; row++) {
    const start = within(row, 0, height) * width;
    for (let column = 0; column < size[1]; column++, at += channels) {
      const place = (start + within(column, 1, width)) * channels;
      for (let c = 0; c < channels; c++) out[at + c] = values[place + c];
    }
  }
  return out;
}

/** The filter of a bundle. */
export class PostFilter {
  /** @returns {PostFilter|null} Null where the bundle has none. */
  static of(bundle) {
    return bundle.members[GRAPH] ? new PostFilter(bundle) : null;
  }

  constructor(bundle) {
    const arrays = bundle.arrays("filter");
    this._bundle = bundle;
    this._logError = shaped(arrays, "log_error", [10], false);
    this._layers = Array.from({ length: LAYERS }, (_, n) => {
      const { shape } = checked(arrays, `kernel_${n}`, 4);
      return {
        shape,
        kernel: checked(arrays, `kernel_${n}`, 4).data,
        kernelSlope: shaped(arrays, `kernel_slope_${n}`, shape),
        bias: shaped(arrays, `bias_${n}`, shape.slice(0, 1)),
        biasSlope: shaped(arrays, `bias_slope_${n}`, shape.slice(0, 1)),
      };
    });
  }

  /**
   * Mended values.
   * @param {Float32Array|Float64Array} values [h, w, C], h and w even.
   * @param {number[]} size [h, w, C].
   * @param {number} q16 Quality in sixteenths.
   * @returns {Promise<Float32Array|Float64Array>} [h - 2 MARGIN, w - 2 MARGIN, C], in their type.
   */
  async mend(values, [height, width, channels], q16) {
    const { Tensor } = await loadRuntime();
    this._session ??= await createSession(this._bundle, GRAPH);
    const feed = {};
    this._layers.forEach(({ shape, kernel, kernelSlope, bias, biasSlope }, n) => {
      const away = q16 - MIDDLE_QUALITY;
      const of = (constant, slope) => told(constant, slope, away);
      feed[`kernel_${n}`] = new Tensor("float32", of(kernel, kernelSlope), shape);
      feed[`bias_${n}`] = new Tensor("float32", of(bias, biasSlope), shape.slice(0, 1));
    });
    const [logError] = betweenQualities(this._logError, q16);
    const unit = Math.exp(logError / 16) / OUTPUT_SCALE;
    const stride = (width - 2 * MARGIN) * channels;
    const mended = new values.constructor((height - 2 * MARGIN) * stride);
    const rows = Math.max(2, 2 * Math.floor(TOGETHER / width / 2));
    for (let top = 0; top < height - 2 * MARGIN; top += rows) {
      const count = Math.min(rows, height - 2 * MARGIN - top);
      const strip = values.subarray(top * width * channels, (top + count + 2 * MARGIN) * width * channels);
      const pixels = this._blocks(strip, width, channels);
      const run = { ...feed, pixels: new Tensor("float32", pixels, [1, 4 * channels, count / 2 + MARGIN, width / 2]) };
      let found;
      try {
        found = (await this._session.run(run)).correction.data;
      } catch (error) {
        throw new MscnError(`bundle ${this._bundle.name}: its filter fails (${error.message})`);
      }
      this._add(mended.subarray(top * stride), strip, found, unit, [count, width, channels]);
    }
    return mended;
  }

  /** [4 C, h / 2, w / 2] of values [h, w, C]. */
  _blocks(values, width, channels) {
    const [plane, across] = [values.length / channels / 4, width / 2];
    const blocks = new Float32Array(values.length);
    for (let at = 0, place = 0; at < values.length; place++) {
      const [row, column] = [Math.floor(place / width), place % width];
      const first = (row % 2) * 2 + (column % 2);
      const block = (row >> 1) * across + (column >> 1);
      for (let c = 0; c < channels; c++, at++) {
        const pixel = Math.round((values[at] - 0.5) * INPUT_SCALE);
        blocks[(first * channels + c) * plane + block] =
          Math.min(Math.max(pixel, -LARGEST_INPUT), LARGEST_INPUT);
      }
    }
    return blocks;
  }

  /** Writes a strip's values, without its margin, and corrections [4 C, ..] into `mended`. */
  _add(mended, strip, found, unit, [rows, width, channels]) {
    const across = width / 2 - MARGIN;
    const plane = (rows / 2) * across;
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = 0; column < 2 * across; column++) {
        const first = (row % 2) * 2 + (column % 2);
        const block = (row >> 1) * across + (column >> 1);
        const source = ((row + MARGIN) * width + column + MARGIN) * channels;
        for (let c = 0; c < channels; c++, at++) {
          const correction = found[(first * channels + c) * plane + block];
          mended[at] = strip[source + c] + unit * correction;
        }
      }
    }
  }
}

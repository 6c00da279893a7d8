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
const DIRECTION_PARTS = 16; // of the units of weights, in which directions are
const DIGIT = 256; // of weights that a picture changed
const OUTPUT_SCALE = 512; // of corrections, in units of the error that is expected
const TOGETHER = 2 ** 19; // pixels that are run at once
export const MARGIN = 2 * LAYERS;

/** Whole numbers at a quality so many sixteenths from the middle one. */
function told(constant, slope, away) {
  return Float64Array.from(constant, (value, i) => value + Math.floor((slope[i] * away + 32) / 64));
}

/** Weights, in the filter's unit. */
const inUnit = (weights) => Float32Array.from(weights, (weight) => weight * 2 ** -SHIFT);

/** Weights that an update moves along directions: all their high digits, then all the low ones. */
function moved(weights, directions, update) {
  const digits = new Float32Array(2 * weights.length);
  weights.forEach((weight, i) => {
    const sum = update.reduce((total, steps, k) => total + steps * directions[k * weights.length + i], 0);
    const whole = weight + Math.floor((sum + DIRECTION_PARTS / 2) / DIRECTION_PARTS);
    const high = Math.floor((whole + DIGIT / 2) / DIGIT);
    digits[i] = high;
    digits[weights.length + i] = whole - high * DIGIT;
  });
  return digits;
}

/** Corrections [outputs, ..], of what the last layer gives: these, or the sums of two digits. */
function corrected(found, outputs, given) {
  if (given === outputs) return found;
  const low = found.subarray(found.length / 2);
  return low.map((sum, i) =>
    Math.floor((found[i] + Math.floor(sum / DIGIT)) * (DIGIT / 2 ** SHIFT)));
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

/**
 * Values of a tile and what the filter looks at around it, to even sides. Its edges are repeated,
 * where a decoder sees the tile beside it.
 */
export function withMargins(values, [height, width, channels]) {
  const [rows, columns] = [height, width].map((side) => side + (side % 2) + 2 * MARGIN);
  const size = [rows, columns, channels];
  return { around: padded(values, [height, width, channels], [MARGIN, MARGIN], size), size };
}

/** The filter of a bundle. */
export class PostFilter {
  /** @returns {PostFilter|null} Null where the bundle has none. */
  static of(bundle) {
    const [told, known] = ["prior/update_filter.npy", "filter/update_kernel.npy"].map((name) =>
      Boolean(bundle.members[name]));
    if (told !== known) {
      throw new MscnError(`bundle ${bundle.name}: its prior and its filter disagree on updates`);
    }
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
    /** What a step along each direction adds to the last layer, or null. */
    this.directions = arrays.update_kernel ? this._directions(arrays) : null;
  }

  _directions(arrays) {
    const { shape } = this._layers[LAYERS - 1];
    const { data: kernel, shape: [count] } = checked(arrays, "update_kernel", 5);
    shaped(arrays, "update_kernel", [count, ...shape]);
    return {
      kernel,
      bias: shaped(arrays, "update_bias", [count, shape[0]]),
      outputs: shape[0],
      inputs: shape[1],
      parts: DIRECTION_PARTS * 2 ** SHIFT, // of a unit of corrections
    };
  }

  /** That is expected of pixels, at a quality in sixteenths. */
  error(q16) {
    return Math.exp(betweenQualities(this._logError, q16)[0] / 16);
  }

  /** Of corrections, at a quality in sixteenths. */
  unit(q16) {
    return this.error(q16) / OUTPUT_SCALE;
  }

  /**
   * Mended values.
   * @param {Float32Array|Float64Array} values [h, w, C], h and w even.
   * @param {number[]} size [h, w, C].
   * @param {number} q16 Quality in sixteenths.
   * @param {number[]|null} update Of the picture, steps along each direction.
   * @returns {Promise<Float32Array|Float64Array>} [h - 2 MARGIN, w - 2 MARGIN, C], in their type.
   */
  async mend(values, size, q16, update = null) {
    return (await this._run(values, size, q16, update, ["correction"])).mended;
  }

  /**
   * What is mended without an update; and what the last layer sees, [in, h + 2, w + 2] of h x w
   * blocks of 2x2 mended pixels and those around.
   */
  withHidden(values, size, q16) {
    return this._run(values, size, q16, null, ["correction", "hidden"]);
  }

  /** What the graph is given besides pixels; of an updated layer its weights' digits. */
  _feed(Tensor, q16, update) {
    const feed = {};
    const away = q16 - MIDDLE_QUALITY;
    this._layers.forEach(({ shape, kernel, kernelSlope, bias, biasSlope }, n) => {
      const changed = n === LAYERS - 1 && update?.some((steps) => steps);
      const given = (weights, directions) =>
        (changed ? moved(weights, directions, update) : inUnit(weights));
      const outputs = (changed ? 2 : 1) * shape[0];
      const weights = given(told(kernel, kernelSlope, away), this.directions?.kernel);
      feed[`kernel_${n}`] = new Tensor("float32", weights, [outputs, ...shape.slice(1)]);
      const biases = given(told(bias, biasSlope, away), this.directions?.bias);
      feed[`bias_${n}`] = new Tensor("float32", biases, [outputs]);
    });
    return feed;
  }

  async _run(values, [height, width, channels], q16, update, outputs) {
    const { Tensor } = await loadRuntime();
    this._session ??= await createSession(this._bundle, GRAPH);
    const feed = this._feed(Tensor, q16, update);
    const unit = this.unit(q16);
    const hidden = outputs.includes("hidden") && this._noneHidden(height, width);
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
        found = await this._session.run(run, outputs);
      } catch (error) {
        throw new MscnError(`bundle ${this._bundle.name}: its filter fails (${error.message})`);
      }
      const corrections = corrected(found.correction.data, 4 * channels, found.correction.dims[1]);
      this._add(mended.subarray(top * stride), strip, corrections, unit, [count, width, channels]);
      if (hidden) this._keep(hidden, found.hidden.data, top / 2, [height, width, count]);
    }
    return { mended, hidden };
  }

  /** For what the last layer sees of values of these sides. */
  _noneHidden(height, width) {
    const [, inputs] = this._layers[LAYERS - 1].shape;
    return new Float32Array(inputs * (height / 2 - MARGIN + 2) * (width / 2 - MARGIN + 2));
  }

  /** Writes what the last layer sees of a strip of rows into that of all. */
  _keep(hidden, found, top, [height, width, count]) {
    const [, inputs] = this._layers[LAYERS - 1].shape;
    const across = width / 2 - MARGIN + 2;
    const [all, own] = [height / 2 - MARGIN + 2, count / 2 + 2].map((rows) => rows * across);
    for (let c = 0; c < inputs; c++) {
      hidden.set(found.subarray(c * own, (c + 1) * own), c * all + top * across);
    }
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

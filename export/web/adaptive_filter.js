// A small filter of a picture's own, after the one that all share (docs/format.md, "Taps").

import { MscnError } from "./errors.js";
import { bitsOf, checked, startsOf } from "./tables.js";

const EVEN = Uint32Array.of(0, 32768, 65536); // whether a colour has taps
export const INPUT_SCALE = 1024; // of values less 1/2
const LARGEST_INPUT = 1023;
export const TAP_SCALE = 64; // taps are in parts of one
export const REACH = 3; // pixels around that a pixel depends on
// A diamond's half, nearest offsets first: rows and columns from a pixel to the other.
export const OFFSETS = [
  [0, 1], [1, 0], [0, 2], [1, -1], [1, 1], [2, 0],
  [0, 3], [1, -2], [1, 2], [2, -1], [2, 1], [3, 0],
];
/** Orthogonal, of red, green and blue, each with how many of the offsets it has. */
export const COLOURS = [
  { shares: [1, 1, 1], norm: 3, count: 12 },
  { shares: [1, 0, -1], norm: 2, count: 6 },
  { shares: [1, -2, 1], norm: 6, count: 6 },
];

export const clipped = (value, most) => Math.min(Math.max(value, -most), most);

/** Taps of the three colours, for each linear ones, then those within bounds; their model. */
export class Taps {
  /** @param {Object} arrays By name, those of docs/format.md. */
  constructor(arrays) {
    const { data } = checked(arrays, "filter_tap", 1);
    if (data.length % 2 !== 1) {
      throw new MscnError("the bundle's taps have frequencies of the wrong number");
    }
    this._starts = startsOf(data);
    this.costs = bitsOf(data);
    /** The largest tap. */
    this.limit = Math.floor(data.length / 2);
  }

  /** The taps that change nothing. */
  none() {
    return COLOURS.map(({ count }) => Array(2 * count).fill(0));
  }

  encode(encoder, taps) {
    for (const own of taps) {
      const present = own.some((tap) => tap);
      encoder.encode(EVEN, present ? 1 : 0);
      if (present) own.forEach((tap) => encoder.encode(this._starts, tap + this.limit));
    }
  }

  decode(decoder) {
    const letter = new Int32Array(1);
    const read = (starts) => {
      decoder.decode(starts, letter, [0], 0, 1, 0);
      return letter[0];
    };
    return this.none().map((own) => (read(EVEN) ? own.map(() => read(this._starts) - this.limit) : own));
  }
}

/** On differences within bounds, of the error that is expected of pixels. */
export const differenceBound = (error) =>
  Math.min(Math.max(Math.round(INPUT_SCALE * error), 1), INPUT_SCALE);

/** A colour of values [.., 3], in whole numbers. */
export function colourPlane(values, [red, green, blue]) {
  const whole = (value) =>
    clipped(Math.round((value - 0.5) * INPUT_SCALE), LARGEST_INPUT);
  return Int32Array.from({ length: values.length / 3 }, (_, i) =>
    red * whole(values[3 * i]) + green * whole(values[3 * i + 1]) + blue * whole(values[3 * i + 2]));
}

/**
 * Values after their own filter.
 * @param {Float32Array|Float64Array} values [h + 2 REACH, w + 2 REACH, 3].
 * @param {number[]} size That.
 * @param {number[][]} taps Of each colour.
 * @param {number} bound On differences.
 * @returns {Float32Array|Float64Array} [h, w, 3], in their type.
 */
export function filtered(values, [height, width], taps, bound) {
  const [rows, columns] = [height - 2 * REACH, width - 2 * REACH];
  const sums = COLOURS.map(({ shares, count }, c) =>
    flown(colourPlane(values, shares), [rows, columns], taps[c], count, bound));
  const out = new values.constructor(3 * rows * columns);
  const part = 1 / (6 * TAP_SCALE * INPUT_SCALE);
  for (let row = 0, i = 0; row < rows; row++) {
    const start = 3 * ((row + REACH) * width + REACH);
    for (let column = 0; column < columns; column++, i++) {
      for (let end = 0; end < 3; end++) {
        let sum = 0;
        COLOURS.forEach(({ shares, norm }, c) => { sum += shares[end] * (6 / norm) * sums[c][i]; });
        out[3 * i + end] = values[start + 3 * column + end] + sum * part;
      }
    }
  }
  return out;
}

/** [rows, columns]: what taps make of a colour's plane, which has REACH pixels more around it. */
function flown(plane, [rows, columns], taps, count, bound) {
  const width = columns + 2 * REACH;
  const total = new Int32Array(rows * columns);
  for (let number = 0; number < count; number++) {
    const [linear, within] = [taps[number], taps[count + number]];
    if (!linear && !within) continue;
    const away = OFFSETS[number][0] * width + OFFSETS[number][1];
    for (let row = 0, i = 0; row < rows; row++) {
      let at = (row + REACH) * width + REACH;
      for (let column = 0; column < columns; column++, at++, i++) {
        const [before, after] = [plane[at - away] - plane[at], plane[at + away] - plane[at]];
        total[i] += linear * (before + after)
          + within * (clipped(before, bound) + clipped(after, bound));
      }
    }
  }
  return total;
}

// Taps of a picture's own filter, as `mscn_tf.fitting.adaptive_filter` finds them.

import {
  COLOURS, INPUT_SCALE, OFFSETS, REACH, TAP_SCALE, clipped, colourPlane,
} from "./adaptive_filter.js";
import { padded } from "./post_filter.js";

const TOGETHER = 2 ** 15; // pixels that are looked at at once
const COST = 4096; // parts of a bit
const RIDGE = 2 ** -12; // of products: what is nearly the same shares a tap
const ROUNDS = 16; // over all taps, at most
const NEAR = 2; // taps on either side that are tried

/**
 * Taps that leave the least squared error, a bit's worth of it for each bit.
 * @param {Taps} taps Their entropy model.
 * @param {Float64Array} original [h, w, 3].
 * @param {Float64Array} mended What is filtered, [h, w, 3].
 * @param {number[]} size [h, w].
 * @param {number} bound On differences.
 * @param {number} bitError Squared error, of values from 0 to 1, that a bit is worth.
 */
export function chosenTaps(taps, original, mended, [height, width], bound, bitError) {
  const size = [height + 2 * REACH, width + 2 * REACH, 3];
  const around = padded(mended, [height, width, 3], [REACH, REACH], size);
  const off = original.map((value, at) => rint((value - mended[at]) * INPUT_SCALE));
  const costs = taps.costs.map((bits) => Math.floor(bits * COST + 0.5));
  const together = Math.max(1, Math.floor(TOGETHER / width));
  return COLOURS.map(({ shares, norm, count }) => {
    const plane = colourPlane(around, shares);
    const products = Array.from({ length: 2 * count }, () => new Float64Array(2 * count));
    const pulls = Array(2 * count).fill(0);
    for (let top = 0; top < height; top += together) {
      const rows = Math.min(together, height - top);
      const moves = movesOf(plane, count, [top, rows], width, bound);
      const first = 3 * top * width;
      const wanted = Float64Array.from({ length: rows * width }, (_, i) =>
        shares.reduce((sum, share, end) => sum + share * off[first + 3 * i + end], 0));
      moves.forEach((one, k) => {
        pulls[k] += TAP_SCALE * dot(one, wanted);
        for (let l = 0; l <= k; l++) {
          products[k][l] += dot(one, moves[l]);
          products[l][k] = products[k][l];
        }
      });
    }
    const worth = (bitError * norm * (INPUT_SCALE * TAP_SCALE) ** 2) / COST;
    return descended(products, pulls, costs.map((cost) => worth * cost));
  });
}

function dot(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}

/** What taps of one move pixels of some rows by: linear ones, then those within bounds. */
function movesOf(plane, count, [top, rows], width, bound) {
  const stride = width + 2 * REACH;
  return [Infinity, bound].flatMap((most) => OFFSETS.slice(0, count).map(([i, j]) => {
    const away = i * stride + j;
    const moves = new Float64Array(rows * width);
    for (let row = 0, to = 0; row < rows; row++) {
      let at = (top + row + REACH) * stride + REACH;
      for (let column = 0; column < width; column++, to++, at++) {
        moves[to] = clipped(plane[at - away] - plane[at], most)
          + clipped(plane[at + away] - plane[at], most);
      }
    }
    return moves;
  }));
}

/** Taps where none near any one alone costs less; zeros where these don't pay. */
function descended(products, pulls, costs) {
  const limit = Math.floor(costs.length / 2);
  const ridged = products.map((row, k) => Array.from(row, (product, l) =>
    (l === k ? product + (product * RIDGE + 1) : product)));
  const found = solved(ridged, pulls).map((tap) => clipped(rint(tap), limit));
  for (let round = 0; round < ROUNDS; round++) {
    let moved = false;
    pulls.forEach((pull, k) => {
      const own = products[k][k];
      const others = products[k].reduce((sum, product, l) => sum + product * found[l], 0) - own * found[k];
      const tried = [];
      for (let tap = found[k] - NEAR; tap <= found[k] + NEAR; tap++) {
        if (Math.abs(tap) <= limit) tried.push(tap);
      }
      let [best, least] = [0, Infinity];
      for (const tap of [...tried, 0]) {
        const cost = tap * (tap * own - 2 * (pull - others)) + costs[tap + limit];
        if (cost < least) [best, least] = [tap, cost];
      }
      moved ||= best !== found[k];
      found[k] = best;
    });
    if (!moved) break;
  }
  const sum = (of) => found.reduce((total, tap, k) => total + of(tap, k), 0);
  const gain = 2 * sum((tap, k) => tap * pulls[k])
    - sum((tap, k) => tap * products[k].reduce((total, product, l) => total + product * found[l], 0));
  return gain > sum((tap) => costs[tap + limit]) ? found : found.map(() => 0);
}

/** The nearest whole number, halves to the even one. */
export function rint(value) {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

/** Of equations whose matrix is symmetric and positive definite. */
function solved(matrix, wanted) {
  const rows = matrix.map((row, k) => [...row, wanted[k]]);
  const size = rows.length;
  for (let k = 0; k < size; k++) {
    for (let i = k + 1; i < size; i++) {
      const share = rows[i][k] / rows[k][k];
      for (let l = k; l <= size; l++) rows[i][l] -= share * rows[k][l];
    }
  }
  const found = Array(size).fill(0);
  for (let k = size - 1; k >= 0; k--) {
    const known = found.reduce((sum, value, l) => (l > k ? sum + rows[k][l] * value : sum), 0);
    found[k] = (rows[k][size] - known) / rows[k][k];
  }
  return found;
}

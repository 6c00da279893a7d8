// What a picture says of the filters that mend it, as `mscn_tf.fitting.filter_update` finds it.

import { clipped, differenceBound } from "./adaptive_filter.js";
import { chosenTaps, rint } from "./adaptive_filter_fit.js";
import { toValues } from "./pixels.js";
import { withMargins } from "./post_filter.js";
import { synthesise } from "./wavelet.js";

const BLOCKS = 4096; // of 2x2 pixels that are looked at
const FINE = 16; // parts of the filter's unit: sums of whole ones are the same in any order
const FARTHEST = 2048; // of such parts that a step is taken to move a pixel
const WORST = 2 ** 17; // of such parts that a pixel is taken to be off
const COST = 4096; // parts of a bit
const ROUNDS = 16; // over all directions, at most
const CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]];

/**
 * What chooses a tile's update of the filter, and taps; null where a codec has neither.
 * @param {PostFilter|null} filter
 * @param {PyramidPrior} prior
 * @param {ArrayLike<number>} colour [C, C], orthonormal rows.
 * @param {{data: Uint8Array, channels: number}} pixels The tile's, of C channels or one.
 * @param {number} bitError Squared error, of values from 0 to 1, that a bit is worth.
 * @returns {Function|null} What coefficients are off, in float64, height and width of the tile to a
 *   promise of steps and taps.
 */
export function suitedTo(filter, prior, colour, pixels, q16, bitError) {
  const { filterUpdates: updates, taps: model } = prior;
  return filter && (updates || model) && (async (errors, height, width) => {
    const { original, values } = beforeAndAfter(pixels, colour, errors, height, width);
    const channels = errors.coarse.length;
    const { around, size } = withMargins(values, [height, width, channels]);
    let filterUpdate = null;
    if (updates) {
      const seen = await filter.withHidden(around, size, q16);
      filterUpdate = chosen(updates, filter, original, [height, width, channels], seen, q16, bitError);
    }
    if (!model) return { filterUpdate };
    const mended = cropped(await filter.mend(around, size, q16, filterUpdate), height, width, channels);
    const bound = differenceBound(filter.error(q16));
    return { filterUpdate, taps: chosenTaps(model, original, mended, [height, width], bound, bitError) };
  });
}

/**
 * Values of a tile, [h, w, C] in float64: the original's, and what they are decoded to.
 * @param {{coarse: Float64Array[], details: Float64Array[][]}} errors What coefficients are off.
 */
export function beforeAndAfter(pixels, colour, errors, height, width) {
  const channels = errors.coarse.length;
  const off = valuesOf(errors, colour, height, width);
  const original = off.map((_, at) => {
    const place = pixels.channels === channels ? at : Math.floor(at / channels);
    return pixels.data[place] / 255;
  });
  return { original, values: original.map((value, at) => value + (off[at] - 0.5)) };
}

/** Values [h, w, C] of a tile's coefficients, in float64. */
export function valuesOf({ coarse, details }, colour, height, width) {
  return toValues(coarse.map((own, c) => synthesise(
    own, details.map((bands) => bands.slice(3 * c, 3 * c + 3)), height, width, 0,
  )), colour);
}

/** [h, w, C] of values of even sides. */
function cropped(values, height, width, channels) {
  const [line, stride] = [width * channels, (width + (width % 2)) * channels];
  return Float64Array.from({ length: height * line }, (_, at) =>
    values[Math.floor(at / line) * stride + (at % line)]);
}

/** Steps that leave the least squared error, a bit's worth of it for each bit. */
function chosen(updates, filter, original, [height, width, channels], seen, q16, bitError) {
  const part = filter.unit(q16) / FINE;
  const [rows, columns] = [Math.floor(height / 2), Math.floor(width / 2)];
  const every = Math.ceil((rows * columns) / BLOCKS) | 1; // odd: hardly in step with what repeats
  const blocks = [];
  for (let at = 0; at < rows * columns; at += every) {
    blocks.push([Math.floor(at / columns), at % columns]);
  }
  if (!blocks.length) return updates.none();
  const ends = CORNERS.flatMap(([i, j]) =>
    Array.from({ length: channels }, (_, c) => ({ i, j, c })));
  const across = width + (width % 2);
  const errors = ends.map(({ i, j, c }) => Float64Array.from(blocks, ([y, x]) => {
    const [row, column] = [2 * y + i, 2 * x + j];
    const left = original[(row * width + column) * channels + c]
      - seen.mended[(row * across + column) * channels + c];
    return clipped(rint(left / part), WORST);
  }));
  const moves = movesOf(filter, seen.hidden, across / 2 + 2, blocks);
  const dot = (one, other) => one.reduce((sum, values, end) =>
    values.reduce((total, value, n) => total + value * other[end][n], sum), 0);
  const products = moves.map((one) => moves.map((other) => dot(one, other)));
  const pulls = moves.map((own) => dot(own, errors));
  const worth = ((bitError / (part * part)) * (blocks.length / (rows * columns))) / COST;
  const whole = updates.costs.map((row) => row.map((bits) => Math.floor(bits * COST + 0.5)));
  const update = descended(products, pulls, whole.map((row) => row.map((cost) => worth * cost)));
  const sum = (of) => update.reduce((total, steps, k) => total + of(steps, k), 0);
  const gain = 2 * sum((steps, k) => steps * pulls[k])
    - sum((steps, k) => steps * sum((others, l) => others * products[k][l]));
  const paid = worth * sum((steps, k) => whole[k][steps + updates.limit]);
  return gain > paid ? update : updates.none();
}

/** By how many parts a step along each direction moves each value of blocks: [K][end][n]. */
function movesOf(filter, hidden, across, blocks) {
  const { kernel, bias, outputs, inputs } = filter.directions;
  const plane = hidden.length / inputs;
  const taps = 9 * inputs;
  const regressors = new Float64Array(blocks.length * taps);
  blocks.forEach(([y, x], n) => {
    for (let tap = 0; tap < taps; tap++) {
      const [c, i, j] = [Math.floor(tap / 9), Math.floor(tap / 3) % 3, tap % 3];
      regressors[n * taps + tap] = hidden[c * plane + (y + i) * across + x + j];
    }
  });
  return Array.from({ length: bias.length / outputs }, (_, k) =>
    Array.from({ length: outputs }, (_end, end) => {
      const row = k * outputs + end;
      const weights = Float64Array.from(kernel.subarray(row * taps, (row + 1) * taps));
      return Float64Array.from(blocks, (_block, n) => {
        let total = bias[row];
        for (let tap = 0, at = n * taps; tap < taps; tap++, at++) total += weights[tap] * regressors[at];
        return clipped(rint((total / filter.directions.parts) * FINE), FARTHEST);
      });
    }));
}

/** Where no other step along one direction alone costs less. */
function descended(products, pulls, costs) {
  const limit = Math.floor(costs[0].length / 2);
  const update = pulls.map(() => 0);
  for (let round = 0; round < ROUNDS; round++) {
    let moved = false;
    pulls.forEach((pull, k) => {
      const own = products[k][k];
      const others = products[k].reduce((sum, product, l) => sum + (l === k ? 0 : product * update[l]), 0);
      let [best, least] = [0, Infinity];
      for (let steps = -limit; steps <= limit; steps++) {
        const cost = steps * (steps * own - 2 * (pull - others)) + costs[k][steps + limit];
        if (cost < least) [best, least] = [steps, cost];
      }
      moved ||= best !== update[k];
      update[k] = best;
    });
    if (!moved) break;
  }
  return update;
}

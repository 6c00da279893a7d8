// What a picture's other channels have of the first, as `mscn_tf.fitting.pyramid_share` finds it.

import { PARTS, followed } from "./pyramid_shares.js";

const FINE = 8; // parts of a step: sums of whole ones are the same in any order
const DOUBT = 300; // squared steps that stand for the coarser level's share
const { fround } = Math;

/**
 * Least squares of each channel's coefficients by the first one's symbols, level by level.
 * @param {Shares} shares Which there are.
 * @param {Float32Array[][]} wanted Coefficients by level and band.
 * @param {Int32Array[][]} symbols Chosen for about these.
 * @param {number} step Of the quantiser, a float32 number.
 * @param {number} rateWeight Squared error that a bit is worth, in steps squared.
 */
export function chosenShares(shares, wanted, symbols, step, rateWeight) {
  const chosen = shares.none();
  const above = chosen[0].map(() => 0);
  let explained = 0;
  for (let level = chosen.length - 1; level >= 0; level--) {
    const first = symbols[level].slice(0, 3);
    const square = sumOver(first, (symbol) => symbol * symbol);
    above.forEach((coarser, other) => {
      const values = wanted[level].slice(3 * other + 3, 3 * other + 6);
      const product = (PARTS / FINE) * sumOver(first, (symbol, band, i) =>
        symbol && symbol * roundEven(FINE * fround(values[band][i] / step)));
      const weight = square + DOUBT;
      const best = Math.floor((2 * (product + DOUBT * coarser) + weight) / (2 * weight));
      const share = coarser + Math.min(Math.max(best - coarser, -shares.limit), shares.limit);
      explained += share * (2 * product - share * square);
      above[other] = share;
    });
    chosen[level] = [...above];
  }
  const unit = PARTS * PARTS; // of `explained`; costs are whole parts of it, too
  const costs = shares.changes(chosen).reduce((sum, change) =>
    sum + Math.floor(shares.costs[change + shares.limit] * unit + 0.5), 0);
  return explained > rateWeight * costs ? chosen : shares.none();
}

const sumOver = (bands, of) => bands.reduce((sum, values, band) =>
  values.reduce((part, value, i) => part + of(value, band, i), sum), 0);

/**
 * Coefficients, in float32, less what their channels have of the first one's symbols.
 * @param {Uint16Array[][]|null} indices Tables of symbols; null: these stand for themselves.
 * @param {number} step Of the quantiser.
 */
export function lessShares(prior, wanted, symbols, indices, shares, step) {
  if (!shares) return wanted;
  return wanted.map((bands, level) => bands.map((values, band) => {
    const part = followed(shares, level, band);
    if (!part) return values;
    const first = symbols[level][band % 3];
    const tables = indices?.[level][band % 3];
    return values.map((value, i) => {
      const decoded = tables ? prior.tables.dequantise(first[i], tables[i]) : first[i];
      return value - step * part(decoded);
    });
  }));
}

/** The nearest whole number to a quotient of float32 numbers, halves to the even one. */
export function roundEven(quotient) {
  const value = fround(quotient);
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

// Chooses the symbols of pyramids where rate meets distortion, as `mscn_tf.fitting.pyramid` does.

import { beforeAndAfter, valuesOf } from "./filter_update_fit.js";
import { withMargins } from "./post_filter.js";
import { chosenShares, lessShares, roundEven } from "./pyramid_share_fit.js";
import { followed } from "./pyramid_shares.js";
import { chosenUpdate } from "./pyramid_update_fit.js";
import { analyse } from "./wavelet.js";

const DEAD_ZONE = 0.2; // of the rounding that the first choice of symbols rests on
const SIZES = 3; // that signs tell apart
const { fround } = Math;

/**
 * Coded channels of a picture, [H, W] each.
 * @param {Uint8Array} pixels [H, W, count].
 * @param {number} count Of channels: three, or one that stands for all.
 * @param {ArrayLike<number>} colour [C, C], orthonormal rows.
 */
export function toChannels(pixels, count, colour) {
  const level = Float32Array.from({ length: 256 }, (_, n) => fround(fround(n) / 255) - 0.5);
  return turned((at) => level[pixels[at]], pixels.length, count, colour);
}

/**
 * Channels of float32 values [.., count], the one at each place given by a function.
 *
 * Sums are rounded as a fused multiply-add does, which is what BLAS computes them with.
 */
function turned(valueAt, length, count, colour) {
  const channels = Math.sqrt(colour.length);
  const places = Array.from({ length: channels }, (_, c) => (count === 1 ? 0 : c));
  return places.map((_, row) => {
    const weights = places.map((_, c) => fround(colour[row * channels + c]));
    const out = new Float32Array(length / count);
    for (let i = 0, at = 0; i < out.length; i++, at += count) {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum = fround(weights[c] * valueAt(at + places[c]) + sum);
      out[i] = sum;
    }
    return out;
  });
}

/**
 * What a codec's filter adds to a tile at a quality, or null where there is none.
 *
 * All is computed in float64 as in Python, but for the analysis of what is added.
 * @param {{data: Uint8Array, channels: number}|null} pixels Of a tile that has others beside it, of
 *   C channels or one: what its coefficients alone are synthesised to is far off at its edges.
 * @returns {Function|null} Decoded coefficients and the original's, height and width of the tile to
 *   a promise of coefficients.
 */
export function addedBy(filter, prior, colour, pixels, q16) {
  return filter && (async (decoded, wanted, height, width) => {
    const { details } = decoded;
    const values = pixels
      ? beforeAndAfter(pixels, colour, less(decoded, wanted), height, width).values
      : valuesOf(decoded, colour, height, width);
    const channels = decoded.coarse.length;
    const { around, size } = withMargins(values, [height, width, channels]);
    const mended = await filter.mend(around, size, q16);
    const line = width * channels;
    const stride = line + (width % 2) * channels;
    const difference = Float32Array.from(values, (value, at) =>
      mended[Math.floor(at / line) * stride + (at % line)] - value);
    const parts = turned((at) => difference[at], difference.length, channels, colour)
      .map((channel) => analyse(channel, height, width, prior.levels));
    return {
      coarse: parts.map((part) => part.coarse),
      details: details.map((_, level) => parts.flatMap((part) => part.details[level])),
    };
  });
}

/**
 * Symbols of the coefficients of a tile; stops after each level of each pass. Where a filter mends
 * the picture, from the second pass on coefficients needn't say what it adds to those chosen so far,
 * and where the model has updates, from then on scales are those under the one that suits these.
 * Where it has shares, other channels needn't say what they have of the first.
 * @param {PyramidPrior} prior
 * @param {{coarse: Float32Array[], details: Float32Array[][]}} pyramid Laid out as
 *   `PyramidTile` has it.
 * @param {number} rateWeight Squared error that a bit is worth, in steps squared.
 * @param {number} passes How often all symbols are chosen anew, each time at better scales.
 * @param {Function|null} added What `addedBy` gives.
 * @param {Function|null} suited What `suitedTo` gives.
 * @returns {{coarse: Int32Array[], details: Int32Array[][], update: ?Array, shares: ?Array,
 *   filterUpdate: ?number[], taps: ?number[][]}}
 */
export async function* quantise(
  prior, pyramid, height, width, q16, rateWeight, passes, added, suited,
) {
  const step = fround(prior.step(q16));
  const choice = new Choice(prior, step, rateWeight);
  const offset = fround(DEAD_ZONE);
  const whole = (bands) => bands.map((band) => Int32Array.from(band, (value) => roundEven(value / step)));
  const rounded = (details) => details.map((bands) => bands.map((band) =>
    Int32Array.from(band, (value) => {
      const size = fround(Math.abs(value) / step);
      const symbol = Math.floor(fround(fround(size + 0.5) - offset));
      return value < 0 ? -symbol : symbol;
    })));
  let wanted = pyramid;
  let symbols = { coarse: whole(pyramid.coarse), details: rounded(pyramid.details) };
  let indices = null;
  for (let pass = 0; pass < passes; pass++) {
    if (added && pass) {
      const known = dequantised(prior, symbols, indices, q16);
      wanted = less(pyramid, await added(known, pyramid, height, width));
    }
    const shares = prior.shares
      && chosenShares(prior.shares, wanted.details, symbols.details, step, rateWeight);
    const own = lessShares(
      prior, wanted.details, symbols.details, indices, shares, prior.step(q16),
    );
    if (shares && !pass) symbols.details = rounded(own);
    const updates = pass > 0; // the first symbols were chosen for no cost, and tell little
    const chosen = yield* choice.improved(own, symbols.details, updates, height, width, q16);
    symbols = { coarse: whole(wanted.coarse), details: chosen.symbols, update: chosen.update, shares };
    indices = chosen.indices;
  }
  if (suited) {
    const errors = less(dequantised(prior, symbols, indices, q16), pyramid);
    Object.assign(symbols, await suited(errors, height, width));
  }
  return symbols;
}

/** Coefficients of symbols whose tables are known, in float64. */
function dequantised(prior, { coarse, details, shares }, indices, q16) {
  const step = prior.step(q16);
  return {
    coarse: coarse.map((band) => Float64Array.from(band, (symbol) => step * symbol)),
    details: details.map((bands, level) => bands.map((band, number) => {
      const value = (own, i) => prior.tables.dequantise(bands[own][i], indices[level][own][i]);
      const part = followed(shares, level, number);
      const first = (i) => (part ? part(value(number % 3, i)) : 0);
      return Float64Array.from(band, (_, i) => step * (value(number, i) + first(i)));
    })),
  };
}

/** Coefficients less others, in the former's type. */
function less(all, other) {
  const minus = (bands, others) => bands.map((band, number) =>
    band.map((value, i) => value - others[number][i]));
  return {
    coarse: minus(all.coarse, other.coarse),
    details: all.details.map((bands, level) => minus(bands, other.details[level])),
  };
}

/** What symbols cost. */
class Choice {
  constructor(prior, step, rateWeight) {
    Object.assign(this, { _prior: prior, _step: step, _rateWeight: rateWeight });
  }

  /**
   * Symbols of least cost at the scales that given ones lead to, their tables there, and the update
   * that these scales are under.
   */
  *improved(details, symbols, updated, height, width, q16) {
    const { scales, signs, updates } = this._prior;
    const like = (Type) => symbols.map((bands) => bands.map((band) => new Type(band.length)));
    const [better, indices, passes] = [like(Int32Array), like(Uint16Array), []];
    const walk = scales.walk(height, width, q16, (pass) => {
      const { level, band } = pass;
      pass.scatter(pass.indices, indices[level][band]);
      passes.push({ level, band, ...this._candidates(pass, pass.gather(details[level][band]), signs) });
      return pass.gather(symbols[level][band]);
    });
    yield* walk;
    const update = updates && updated ? chosenUpdate(this._prior, symbols, indices) : null;
    if (update) {
      indices.forEach((bands, level) => bands.forEach((band, number) =>
        updates.apply(band, update[level][number])));
    }
    for (const { level, band, places, signBits } of passes) {
      const [values, tables, chosen] = [details, indices, better].map((all) => all[level][band]);
      places.forEach((place, i) => {
        const size = fround(Math.abs(values[place]) / this._step);
        const own = signBits.subarray(SIZES * i, SIZES * (i + 1));
        const symbol = this._cheapest(size, tables[place], own);
        chosen[place] = values[place] < 0 ? -symbol : symbol;
      });
    }
    return { symbols: better, indices, update };
  }

  /** Places, within their band, of coefficients that needn't be zero, and what their signs cost. */
  _candidates(pass, values, signs) {
    const some = [];
    // Below a half, zero is nearest and cheapest (or close to it).
    values.forEach((value, i) => {
      if (fround(Math.abs(value) / this._step) >= 0.5) some.push(i);
    });
    const signBits = new Float32Array(SIZES * some.length);
    some.forEach((i, number) => {
      const own = signBits.subarray(SIZES * number, SIZES * (number + 1));
      signs?.prospects(pass, i, values[i] < 0, own);
    });
    return { places: some.map((i) => pass.place(i)), signBits };
  }

  /** Of the nearest whole number, one nearer to zero, and zero, that which costs least. */
  _cheapest(size, table, signBits) {
    const { tables } = this._prior;
    const nearest = Math.floor(fround(size + 0.5));
    let best = nearest;
    let least = Infinity;
    for (const candidate of [nearest, nearest - 1, 0]) {
      const error = size - tables.dequantise(candidate, table);
      let bits = tables.bits(candidate, table);
      if (candidate) bits += signBits[Math.min(candidate, SIZES) - 1];
      const cost = error * error + this._rateWeight * bits;
      if (cost < least) [best, least] = [candidate, cost];
    }
    return best;
  }
}

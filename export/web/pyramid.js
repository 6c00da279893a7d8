// The entropy model of pyramid codecs (docs/format.md, "Codecs of pyramids").

import { Taps } from "./adaptive_filter.js";
import { FilterUpdates } from "./filter_updates.js";
import { Scales } from "./pyramid_scales.js";
import { Shares, followed } from "./pyramid_shares.js";
import { Updates } from "./pyramid_updates.js";
import { RangeDecoder, RangeEncoder, damaged } from "./range.js";
import { Signs } from "./signs.js";
import { LARGEST_SYMBOL, Tables, betweenQualities, scaleIndex, shaped } from "./tables.js";
import { detailSizes, sizes } from "./wavelet.js";

/** Entropy model of pictures of C channels. */
export class PyramidPrior {
  /** @param {Object} arrays By name, those of docs/format.md. */
  constructor(arrays) {
    this.tables = new Tables(arrays);
    this.scales = new Scales(arrays, this.tables.count);
    this.levels = this.scales.levels;
    this.channels = this.scales.bands / 3;
    this._coarse = shaped(arrays, "coarse", [10, this.channels]);
    this._logStep = shaped(arrays, "log_step", [10], false);
    const signed = Object.keys(arrays).some((name) => name.startsWith("sign_"));
    this.signs = signed ? new Signs(arrays, this.levels, this.channels) : null;
    this._letters = signed ? this.tables.magnitudes() : this.tables;
    const updated = Object.keys(arrays).some((name) =>
      name.startsWith("update_") && name !== "update_filter");
    this.updates = updated
      ? new Updates(arrays, this.levels, this.scales.bands, this.tables.count) : null;
    this.shares = arrays.share_change ? new Shares(arrays, this.levels, this.channels) : null;
    this.filterUpdates = arrays.update_filter ? new FilterUpdates(arrays) : null;
    this.taps = arrays.filter_tap ? new Taps(arrays) : null;
  }

  /** The quantiser's step at a quality. */
  step(q16) {
    return Math.exp(betweenQualities(this._logStep, q16)[0] / 16);
  }

  /** Table of each channel's coarse part. */
  _coarseTables(q16) {
    return Array.from(betweenQualities(this._coarse, q16), (value) =>
      scaleIndex(Math.floor(value / 16), this.tables.count));
  }

  /** A tile whose coefficients are decoded as they are wanted; see `PyramidTile`. */
  tile(payload, height, width, q16) {
    return new PyramidTile(this, payload, height, width, q16);
  }

  /** Goes over the passes of a tile as `Scales.walk` does, under an update. */
  walk(height, width, q16, update, visit) {
    return this.scales.walk(height, width, q16, (pass) => {
      if (update) this.updates.apply(pass.indices, update[pass.level][pass.band]);
      return visit(pass);
    });
  }

  /** A level's coefficients of a pass, dequantised, into those of its band; gives the symbols. */
  decodePass(decoder, pass, step, values) {
    const { count, indices } = pass;
    const symbols = new Int32Array(count);
    this._letters.decode(decoder, indices, count, symbols);
    if (this.signs) {
      if (symbols.some((size) => size < 0)) throw damaged("a size");
      this.signs.decode(decoder, symbols, pass);
    }
    for (let i = 0; i < count; i++) {
      if (!symbols[i]) continue;
      values[pass.place(i)] = step * this.tables.dequantise(symbols[i], indices[i]);
    }
    return symbols;
  }

  /** The coarse part of each channel, dequantised. */
  decodeCoarse(decoder, [height, width], q16, step) {
    return this._coarseTables(q16).map((table) => {
      const count = height * width;
      const symbols = new Int32Array(count);
      this.tables.decode(decoder, new Uint16Array(count).fill(table), count, symbols);
      const sums = Float64Array.from(symbols); // of differences to the left, or above
      for (let y = 1; y < height; y++) sums[y * width] += sums[(y - 1) * width];
      for (let i = 0; i < count; i++) if (i % width) sums[i] += sums[i - 1];
      return Float32Array.from(sums, (sum) =>
        step * Math.min(Math.max(sum, -LARGEST_SYMBOL), LARGEST_SYMBOL));
    });
  }

  /**
   * Codes the symbols of a tile; stops after each level.
   * @param {{coarse: Int32Array[], details: Int32Array[][], update: ?Array, shares: ?Array,
   *   filterUpdate: ?number[], taps: ?number[][]}} fitted Symbols, laid out as in `PyramidTile`, and what the picture
   *   says besides where the model has such.
   * @returns {Uint8Array} The payload.
   */
  *encode({ coarse, details, update, shares, filterUpdate, taps }, height, width, q16) {
    const encoder = new RangeEncoder();
    this.updates?.encode(encoder, update ?? this.updates.none());
    this.shares?.encode(encoder, shares ?? this.shares.none());
    this.filterUpdates?.encode(encoder, filterUpdate ?? this.filterUpdates.none());
    this.taps?.encode(encoder, taps ?? this.taps.none());
    const [, columns] = sizes(height, width, this.levels)[this.levels];
    this._coarseTables(q16).forEach((table, channel) => {
      const symbols = coarse[channel];
      const steps = symbols.map((symbol, i) =>
        symbol - (i % columns ? symbols[i - 1] : symbols[i - columns] ?? 0));
      this.tables.encode(encoder, steps, new Uint16Array(steps.length).fill(table));
    });
    const walk = this.walk(height, width, q16, update, (pass) => {
      const symbols = pass.gather(details[pass.level][pass.band]);
      const letters = this.signs ? symbols.map(Math.abs) : symbols;
      this._letters.encode(encoder, letters, pass.indices);
      this.signs?.encode(encoder, symbols, pass);
      return symbols;
    });
    yield* walk;
    return encoder.seal();
  }
}

/**
 * The coefficients of a tile, dequantised: the `coarse` part of each channel, and in `details` for
 * each level, finest first, its bands, or null as long as they aren't decoded.
 */
class PyramidTile {
  constructor(prior, payload, height, width, q16) {
    const decoder = new RangeDecoder(payload);
    const update = prior.updates?.decode(decoder);
    this._shares = prior.shares?.decode(decoder);
    /** Of the filter, or undefined. */
    this.filterUpdate = prior.filterUpdates?.decode(decoder);
    /** Of the filter after it, or undefined. */
    this.taps = prior.taps?.decode(decoder);
    const shapes = sizes(height, width, prior.levels);
    const step = prior.step(q16);
    this.coarse = prior.decodeCoarse(decoder, shapes[prior.levels], q16, step);
    this.details = Array(prior.levels).fill(null);
    this._reached = prior.levels;
    this._bands = (level) => bandsOf(shapes[level], prior.scales.bands);
    this._walk = prior.walk(height, width, q16, update, (pass) =>
      prior.decodePass(decoder, pass, step, this.details[pass.level][pass.band]));
  }

  /** Goes on with decoding until the `skip` finest levels alone, which come last, are left. */
  upTo(skip) {
    while (this._reached > skip) {
      this.details[this._reached - 1] = this._bands(this._reached - 1);
      this._reached = this._walk.next().value;
      this._follow(this._reached);
    }
    return this;
  }

  /** Adds to a level's other channels what they have of the first. */
  _follow(level) {
    this.details[level].forEach((values, band, bands) => {
      const part = followed(this._shares, level, band);
      if (part) bands[band % 3].forEach((value, i) => { values[i] += part(value); });
    });
  }
}

/** Zeros for the bands of a level whose input has this shape. */
function bandsOf(shape, bands) {
  const counts = detailSizes(...shape);
  return Array.from({ length: bands }, (_, band) => {
    const [rows, columns] = counts[band % 3];
    return new Float32Array(rows * columns);
  });
}

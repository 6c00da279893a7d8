// The entropy model of tile codecs (docs/format.md, "Codecs of tiles").

import { MscnError } from "./errors.js";
import { RangeDecoder } from "./range.js";
import { Tables, betweenQualities, checked, scaleIndex, shaped } from "./tables.js";

/** Entropy model of M coefficients of a tile. */
export class Prior {
  /** @param {Object} arrays By name, those of docs/format.md. */
  constructor(arrays) {
    this.tables = new Tables(arrays);
    const band = checked(arrays, "band", 1).data;
    const count = band.length;
    this.coefficients = count;
    this._base = shaped(arrays, "base", [10, count]);
    this._logStep = shaped(arrays, "log_step", [10, count], false);
    this._magnitude = checked(arrays, "magnitude", 1).data;
    const context = shaped(arrays, "context", [count, count]);
    this._bands = [];
    for (let from = 0, to = 0; from < count; from = to) {
      while (to < count && band[to] === band[from]) to++;
      if (to < count && band[to] < band[from]) throw new MscnError("the bundle's band falls");
      this._bands.push([from, to]);
    }
    // By the coefficient that is known. What zeros add is added to the base.
    this._context = new Float64Array(count * count);
    this._zeros = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) {
        this._context[j * count + i] = context[i * count + j];
        this._zeros[i] += context[i * count + j] * this._magnitude[0];
      }
    }
    this._levels = new Map();
  }

  /** Scale indices where all earlier symbols are zero, and quantiser steps, at a quality. */
  _level(q16) {
    if (!this._levels.has(q16)) {
      const base = betweenQualities(this._base, q16);
      this._levels.set(q16, {
        start: base.map((value, i) => Math.floor(value / 16) + this._zeros[i]),
        step: betweenQualities(this._logStep, q16).map((value) => Math.exp(value / 16)),
      });
    }
    return this._levels.get(q16);
  }

  /**
   * Decodes a block of N tiles.
   * @param {Uint8Array} payload
   * @param {Uint8Array} q16 Sixteenfold quality of each tile.
   * @returns {Float64Array} Dequantised codes [N, M].
   */
  decode(payload, q16) {
    const count = this.coefficients;
    const tiles = q16.length;
    const decoder = new RangeDecoder(payload);
    const indices = new Float64Array(tiles * count);
    const codes = new Float64Array(tiles * count);
    const levels = Array.from(q16, (quality) => this._level(quality));
    levels.forEach((level, tile) => indices.set(level.start, tile * count));
    for (const [from, to] of this._bands) {
      const width = to - from;
      const known = new Uint16Array(tiles * width);
      const symbols = new Int32Array(tiles * width);
      for (let tile = 0, i = 0; tile < tiles; tile++) {
        for (let m = from; m < to; m++, i++) {
          known[i] = scaleIndex(indices[tile * count + m], this.tables.count);
        }
      }
      this.tables.decode(decoder, known, known.length, symbols);
      for (let tile = 0, i = 0; tile < tiles; tile++) {
        const { step } = levels[tile];
        for (let m = from; m < to; m++, i++) {
          if (!symbols[i]) continue;
          codes[tile * count + m] = step[m] * this.tables.dequantise(symbols[i], known[i]);
          this._addContext(indices, tile * count, m, symbols[i], to);
        }
      }
    }
    return codes;
  }

  _addContext(indices, at, coefficient, symbol, later) {
    const magnitude = this._magnitude;
    const seen = magnitude[Math.min(Math.abs(symbol), magnitude.length - 1)] - magnitude[0];
    const row = coefficient * this.coefficients;
    for (let i = later; i < this.coefficients; i++) {
      indices[at + i] += seen * this._context[row + i];
    }
  }
}

// What a picture changes in the model of scales (docs/format.md, "Codecs of pyramids").

import { MscnError } from "./errors.js";
import { bitsOf, checked, startsOf } from "./tables.js";

const NAMES = ["level", "shift", "gain"];
const EVEN = Uint32Array.of(0, 32768, 65536); // whether there is an update

/** Updates of pictures with so many levels of so many bands, and their entropy model. */
export class Updates {
  /**
   * @param {Object} arrays By name, those of docs/format.md.
   * @param {number} count Of tables.
   */
  constructor(arrays, levels, bands, count) {
    Object.assign(this, { levels, bands, _count: count });
    const frequencies = NAMES.map((name) => checked(arrays, `update_${name}`, 1).data);
    if (frequencies.some((part, i) => (i ? part.length % 2 !== 1 : part.length !== 2))) {
      throw new MscnError("the bundle's updates have frequencies of the wrong number");
    }
    this._starts = frequencies.map(startsOf);
    this.costs = frequencies.map(bitsOf);
    /** The largest shift and the largest gain. */
    this.limits = frequencies.slice(1).map((part) => Math.floor(part.length / 2));
  }

  /** The update that changes nothing: by level and band a shift and a gain. */
  none() {
    return Array.from({ length: this.levels }, () =>
      Array.from({ length: this.bands }, () => [0, 0]));
  }

  /** The table that a table becomes. */
  mapped(table, [shift, gain]) {
    return Math.min(Math.max(((table * (16 + gain) + 8) >> 4) + shift, 0), this._count - 1);
  }

  /** Changes the tables of a band to what they become. */
  apply(indices, own) {
    if (!own[0] && !own[1]) return;
    for (let i = 0; i < indices.length; i++) indices[i] = this.mapped(indices[i], own);
  }

  encode(encoder, update) {
    const present = update.map((bands) => bands.some(([shift, gain]) => shift || gain));
    encoder.encode(EVEN, present.includes(true) ? 1 : 0);
    if (!present.includes(true)) return;
    for (const is of present) encoder.encode(this._starts[0], is ? 1 : 0);
    this.limits.forEach((limit, number) => update.forEach((bands, level) => {
      if (!present[level]) return;
      for (const own of bands) encoder.encode(this._starts[1 + number], own[number] + limit);
    }));
  }

  decode(decoder) {
    const [update, letter] = [this.none(), new Int32Array(1)];
    const read = (starts) => {
      decoder.decode(starts, letter, [0], 0, 1, 0);
      return letter[0];
    };
    const next = (number) => read(this._starts[number]);
    if (!read(EVEN)) return update;
    const present = update.map(() => next(0));
    this.limits.forEach((limit, number) => update.forEach((bands, level) => {
      if (!present[level]) return;
      for (const own of bands) own[number] = next(1 + number) - limit;
    }));
    return update;
  }
}

// What a picture changes in the filter (docs/format.md, "Codecs of pyramids").

import { MscnError } from "./errors.js";
import { bitsOf, checked, startsOf } from "./tables.js";

const EVEN = Uint32Array.of(0, 32768, 65536); // whether there is an update

/** Updates of the filter, steps along its directions, and their entropy model. */
export class FilterUpdates {
  /** @param {Object} arrays By name, those of docs/format.md. */
  constructor(arrays) {
    const { data, shape: [count, letters] } = checked(arrays, "update_filter", 2);
    if (letters % 2 !== 1) {
      throw new MscnError("the bundle's updates of a filter have frequencies of the wrong number");
    }
    const rows = Array.from({ length: count }, (_, k) => data.slice(k * letters, (k + 1) * letters));
    this._starts = rows.map(startsOf);
    this.costs = rows.map(bitsOf);
    /** The most steps along a direction. */
    this.limit = Math.floor(letters / 2);
  }

  /** The update that changes nothing: steps along each direction. */
  none() {
    return this._starts.map(() => 0);
  }

  encode(encoder, update) {
    const present = update.some((steps) => steps);
    encoder.encode(EVEN, present ? 1 : 0);
    if (!present) return;
    this._starts.forEach((starts, k) => encoder.encode(starts, update[k] + this.limit));
  }

  decode(decoder) {
    const letter = new Int32Array(1);
    const read = (starts) => {
      decoder.decode(starts, letter, [0], 0, 1, 0);
      return letter[0];
    };
    return read(EVEN) ? this._starts.map((starts) => read(starts) - this.limit) : this.none();
  }
}

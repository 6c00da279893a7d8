// Channels that follow from the first one (docs/format.md, "Codecs of pyramids").

import { MscnError } from "./errors.js";
import { bitsOf, checked, startsOf } from "./tables.js";

export const PARTS = 64; // of a share
const EVEN = Uint32Array.of(0, 32768, 65536); // whether any channel follows

/** Shares of pictures with so many levels of so many channels, and their entropy model. */
export class Shares {
  /** @param {Object} arrays By name, those of docs/format.md. */
  constructor(arrays, levels, channels) {
    const frequencies = checked(arrays, "share_change", 1).data;
    if (frequencies.length % 2 !== 1 || channels < 2) {
      throw new MscnError("the bundle's shares have frequencies of the wrong number");
    }
    Object.assign(this, { levels, others: channels - 1, costs: bitsOf(frequencies) });
    this._starts = startsOf(frequencies);
    /** The largest change from a level to the next finer one. */
    this.limit = Math.floor(frequencies.length / 2);
  }

  /** No channel follows: by level a share of each channel but the first. */
  none() {
    return Array.from({ length: this.levels }, () => Array(this.others).fill(0));
  }

  /** What the shares of each channel are more than at the level above, coarsest level first. */
  changes(shares) {
    return Array.from({ length: this.others }, (_, other) =>
      shares.map((own, level) => own[other] - (shares[level + 1]?.[other] ?? 0)).reverse()).flat();
  }

  encode(encoder, shares) {
    const present = shares.some((own) => own.some((share) => share));
    encoder.encode(EVEN, present ? 1 : 0);
    if (!present) return;
    for (const change of this.changes(shares)) encoder.encode(this._starts, change + this.limit);
  }

  decode(decoder) {
    const [shares, letter] = [this.none(), new Int32Array(1)];
    const read = (starts) => {
      decoder.decode(starts, letter, [0], 0, 1, 0);
      return letter[0];
    };
    if (!read(EVEN)) return shares;
    for (let other = 0; other < this.others; other++) {
      let share = 0;
      for (let level = this.levels - 1; level >= 0; level--) {
        share += read(this._starts) - this.limit;
        shares[level][other] = share;
      }
    }
    return shares;
  }
}

/**
 * What a band of a channel has of the first channel's at the same place, as a function of that one's
 * coefficient; null where it has nothing.
 * @param {number[][]|null} shares By level.
 */
export function followed(shares, level, band) {
  const share = (band >= 3 && shares?.[level][Math.floor(band / 3) - 1]) / PARTS;
  return share ? (value) => share * value : null;
}
